// All models are too many for a menu: a list that is searched as one types, and takes any id.
import * as RDialog from '@radix-ui/react-dialog';
import { Command } from 'cmdk';
import { Check, ChevronDown, Search } from 'lucide-react';
import { useState } from 'react';
import { query } from '@/lib/api';
import { useGet, useLate } from '@/lib/hooks';
import { perMillion } from '@/lib/money';
import type { List, Model } from '@/lib/types';
import { Badge } from './basic';

export function ModelPicker({ value, onChange }: { value: string; onChange: (id: string) => void }) {
  const [open, setOpen] = useState(false);
  const [typed, type] = useState('');
  const late = useLate(typed.trim());
  const q = useGet<List<Model>>(open ? `/api/models${query({ q: late, limit: 50 })}` : null);
  const choose = (id: string) => { onChange(id); setOpen(false); type(''); };
  const found = [...(q.data?.data ?? [])].sort((a, b) => Number(b.recommended) - Number(a.recommended));
  return (
    <RDialog.Root open={open} onOpenChange={setOpen}>
      <RDialog.Trigger className="input inline-flex !w-auto max-w-72 items-center justify-between gap-2 text-left">
        <span className="sr-only">Model: </span><span className="truncate font-mono text-sm">{value || 'Choose a model'}</span><ChevronDown className="size-3.5 shrink-0 text-faint" aria-hidden />
      </RDialog.Trigger>
      <RDialog.Portal>
        <RDialog.Overlay className="fixed inset-0 z-40 bg-black/40 animate-fade-in dark:bg-black/60" />
        <RDialog.Content aria-describedby={undefined} className="fixed left-1/2 top-[12vh] z-50 w-[calc(100%-2rem)] max-w-xl -translate-x-1/2 overflow-hidden rounded-xl border border-line bg-panel shadow-pop outline-none">
          <RDialog.Title className="sr-only">Choose a model</RDialog.Title>
          <Command loop shouldFilter={false} label="Choose a model">
            <div className="flex items-center gap-3 border-b border-line px-4">
              <Search className="size-4 text-faint" aria-hidden />
              <Command.Input value={typed} onValueChange={type} placeholder="Search models, or type an id…" className="h-12 w-full bg-transparent text-lg outline-none placeholder:text-faint" />
            </div>
            <Command.List className="max-h-[min(24rem,60vh)] overflow-y-auto p-1.5">
              {found.map((m) => (
                <Command.Item key={m.id} value={m.id} onSelect={() => choose(m.id)} className="menu-item">
                  <span className="min-w-0 flex-1"><span className="flex items-center gap-2 truncate">{m.name || m.id}{m.recommended && <Badge tone="brand">Recommended</Badge>}</span><span className="block truncate font-mono text-xs text-faint">{m.id}</span></span>
                  {m.pricing.prompt && m.pricing.completion && <span className="num whitespace-nowrap text-sm text-faint">{perMillion(m.pricing.prompt)} / {perMillion(m.pricing.completion)}</span>}
                  <Check className={m.id === value ? 'size-4 !text-brand-ink' : 'size-4 opacity-0'} aria-hidden />
                </Command.Item>
              ))}
              {typed.trim() && !found.some((m) => m.id === typed.trim()) && <Command.Item value={`use ${typed.trim()}`} onSelect={() => choose(typed.trim())} className="menu-item h-9">Use <span className="font-mono text-sm">{typed.trim()}</span></Command.Item>}
              {!typed.trim() && q.data && found.length === 0 && <p className="py-10 text-center text-soft">No model is listed. Type the id of one.</p>}
            </Command.List>
          </Command>
        </RDialog.Content>
      </RDialog.Portal>
    </RDialog.Root>
  );
}
