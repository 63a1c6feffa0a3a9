import * as RDialog from '@radix-ui/react-dialog';
import { Command } from 'cmdk';
import { CircleHelp, KeyRound, Moon, Search, Sun, UserRound } from 'lucide-react';
import { useState } from 'react';
import { useLocation } from 'wouter';
import { useGet, useLate } from '@/lib/hooks';
import { useMe } from '@/lib/session';
import { setTheme } from '@/lib/theme';
import { query } from '@/lib/api';
import type { Customer, List, Model } from '@/lib/types';
import { Kbd } from '@/ui/basic';
import { operator, settings, teamAudit, usePlaces, type Place } from './nav';

const heading = '[&_[cmdk-group-heading]]:px-2.5 [&_[cmdk-group-heading]]:pb-1 [&_[cmdk-group-heading]]:pt-2.5 [&_[cmdk-group-heading]]:text-xs [&_[cmdk-group-heading]]:font-medium [&_[cmdk-group-heading]]:text-faint';

export default function Palette({ onClose, onHelp }: { onClose: () => void; onHelp: () => void }) {
  const { user } = useMe();
  const places = usePlaces();
  const [, go] = useLocation();
  const [typed, type] = useState('');
  const late = useLate(typed.trim());
  const wanted = late.length > 1 ? late : '';
  const models = useGet<List<Model>>(wanted && `/api/models${query({ q: wanted, limit: 5 })}` || null);
  const customers = useGet<List<Customer>>(wanted && user.is_operator ? `/api/admin/customers${query({ q: wanted, limit: 5 })}` : null);
  const run = (f: () => void) => () => { onClose(); f(); };
  const item = (p: Place) => (
    <Command.Item key={p.to} value={`${p.name} ${p.also ?? ''}`} onSelect={run(() => go(p.to))} className="menu-item h-9">
      <p.icon className="size-4" aria-hidden /><span className="flex-1">{p.name}</span>{p.keys?.split(' ').map((k) => <Kbd key={k}>{k}</Kbd>)}
    </Command.Item>
  );
  return (
    <RDialog.Root open onOpenChange={(o) => !o && onClose()}>
      <RDialog.Portal>
        <RDialog.Overlay className="fixed inset-0 z-40 bg-black/40 animate-fade-in dark:bg-black/60" />
        <RDialog.Content aria-describedby={undefined} className="fixed left-1/2 top-[12vh] z-50 w-[calc(100%-2rem)] max-w-xl -translate-x-1/2 overflow-hidden rounded-xl border border-line bg-panel shadow-pop outline-none">
          <RDialog.Title className="sr-only">Go to</RDialog.Title>
          <Command loop label="Go to">
            <div className="flex items-center gap-3 border-b border-line px-4">
              <Search className="size-4 text-faint" aria-hidden />
              <Command.Input value={typed} onValueChange={type} placeholder="A page, a model, a command…" className="h-12 w-full bg-transparent text-lg outline-none placeholder:text-faint" />
            </div>
            <Command.List className="max-h-[min(24rem,60vh)] overflow-y-auto p-1.5">
              <Command.Empty className="py-10 text-center text-soft">Nothing is called that.</Command.Empty>
              <Command.Group heading="Pages" className={heading}>{[...places, ...settings, teamAudit].map(item)}</Command.Group>
              {user.is_operator && <Command.Group heading="Operator" className={heading}>{operator.map((p) => item({ ...p, also: `${p.also ?? ''} operator` }))}</Command.Group>}
              {wanted && models.data && models.data.data.length > 0 && (
                <Command.Group heading="Models" className={heading}>
                  {models.data.data.slice(0, 5).map((m) => <Command.Item key={m.id} value={`${m.id} ${m.name} ${wanted}`} onSelect={run(() => go(`/playground${query({ model: m.id })}`))} className="menu-item h-9"><span className="font-mono text-sm">{m.id}</span></Command.Item>)}
                </Command.Group>
              )}
              {wanted && customers.data && customers.data.data.length > 0 && (
                <Command.Group heading="Customers" className={heading}>
                  {customers.data.data.slice(0, 5).map((c) => <Command.Item key={c.user.id} value={`${c.user.email} ${wanted}`} onSelect={run(() => go(`/admin/customers/${c.user.id}`))} className="menu-item h-9"><UserRound className="size-4" aria-hidden />{c.user.email}</Command.Item>)}
                </Command.Group>
              )}
              <Command.Group heading="Commands" className={heading}>
                <Command.Item onSelect={run(() => go('/keys?new=1'))} className="menu-item h-9"><KeyRound className="size-4" aria-hidden />Create an API key</Command.Item>
                <Command.Item onSelect={run(() => setTheme('light'))} className="menu-item h-9"><Sun className="size-4" aria-hidden />Light theme</Command.Item>
                <Command.Item onSelect={run(() => setTheme('dark'))} className="menu-item h-9"><Moon className="size-4" aria-hidden />Dark theme</Command.Item>
                <Command.Item onSelect={run(onHelp)} className="menu-item h-9"><CircleHelp className="size-4" aria-hidden />Keyboard shortcuts</Command.Item>
              </Command.Group>
            </Command.List>
          </Command>
        </RDialog.Content>
      </RDialog.Portal>
    </RDialog.Root>
  );
}
