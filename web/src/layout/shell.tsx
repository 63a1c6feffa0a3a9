// What stands around every page of who is signed in: where one is, whose team, how much is left.
import * as RDialog from '@radix-ui/react-dialog';
import { Check, ChevronsUpDown, CircleHelp, LogOut, Menu as MenuIcon, Plus, Search, UserRound, X } from 'lucide-react';
import { lazy, Suspense, useEffect, useRef, useState, type ReactNode } from 'react';
import { Link, useLocation } from 'wouter';
import { api } from '@/lib/api';
import { useGet } from '@/lib/hooks';
import { useFreshStart, useMe } from '@/lib/session';
import type { Balance } from '@/lib/types';
import { Button, cx, Kbd } from '@/ui/basic';
import { sayError } from '@/ui/notices';
import { Menu } from '@/ui/overlay';
import { Money } from '@/ui/data';
import { Brand } from './brand';
import { ThemeButton } from './theme-button';
import { operator, settings, usePlaces, type Place } from './nav';
import { useShortcuts } from './shortcuts';

const palettePage = () => import('./palette');
const Palette = lazy(palettePage);
const NewTeam = lazy(() => import('@/pages/new-team'));

function NavLink({ place, at, onGo }: { place: Place; at: string; onGo?: () => void }) {
  const here = place.to === '/' || place.to === '/admin' || place.to === '/settings' ? at === place.to : at === place.to || at.startsWith(`${place.to}/`);
  const link = useRef<HTMLAnchorElement>(null);
  useEffect(() => { if (here) link.current?.scrollIntoView({ block: 'nearest' }); }, [here]); // an operator's menu is longer than some screens
  return (
    <Link ref={link} href={place.to} onClick={onGo} aria-current={here ? 'page' : undefined}
      className={cx('flex h-[1.875rem] items-center gap-2.5 rounded-md px-2.5 text-base font-medium', here ? 'bg-brand/10 text-brand-ink' : 'text-soft hover:bg-sunk hover:text-ink')}>
      <place.icon className={cx('size-4', here ? '' : 'text-faint')} aria-hidden />{place.name}
    </Link>
  );
}

function TeamSwitch({ onNew }: { onNew: () => void }) {
  const { team, teams } = useMe();
  const fresh = useFreshStart();
  const [, go] = useLocation();
  const choose = async (id: string) => {
    try { await api('/api/me/team', { body: { team_id: id } }); await fresh(); go('/'); } catch (e) { sayError(e); }
  };
  return (
    <Menu align="start" trigger={
      <button type="button" className="flex w-full items-center gap-2.5 rounded-md border border-line bg-panel px-2.5 py-2 text-left shadow-card hover:bg-sunk">
        <span className="grid size-6 shrink-0 place-items-center rounded bg-brand/15 text-xs font-semibold text-brand-ink" aria-hidden>{team.name.slice(0, 1).toUpperCase()}</span>
        <span className="min-w-0 flex-1 truncate font-medium"><span className="sr-only">Team: </span>{team.name}</span>
        <ChevronsUpDown className="size-3.5 shrink-0 text-faint" aria-hidden />
      </button>
    } entries={[
      ...teams.map((t) => ({ label: t.name, icon: t.id === team.id ? Check : UserRound, onSelect: () => t.id !== team.id && void choose(t.id) })),
      '-', { label: 'New team', icon: Plus, onSelect: onNew },
    ]} />
  );
}

function BalancePill() {
  const { data } = useGet<Balance>('/api/billing/balance', 30_000);
  if (!data) return null;
  const tone = data.state === 'good' ? 'bg-good' : data.state === 'low' ? 'bg-warn-face' : 'bg-bad';
  return (
    <Link href="/billing" className="flex items-center justify-between rounded-md px-2.5 py-2 text-sm hover:bg-sunk">
      <span className="flex items-center gap-2 text-soft"><span className={cx('size-2 rounded-full', tone)} aria-hidden />Balance</span>
      <Money of={data.available} round="down" className="font-semibold" />
    </Link>
  );
}

function UserMenu({ onHelp }: { onHelp: () => void }) {
  const { user } = useMe();
  const fresh = useFreshStart();
  const [, go] = useLocation();
  const leave = async () => {
    try { await api('/api/auth/logout', { body: {} }); go('/'); await fresh(); } catch (e) { sayError(e); }
  };
  return (
    <Menu align="start" trigger={
      <button type="button" className="flex min-w-0 flex-1 items-center gap-2.5 rounded-md px-2 py-1.5 text-left hover:bg-sunk">
        <span className="grid size-7 shrink-0 place-items-center rounded-full bg-sunk text-sm font-semibold text-soft ring-1 ring-line" aria-hidden>{(user.name || user.email).slice(0, 1).toUpperCase()}</span>
        <span className="min-w-0 flex-1"><span className="sr-only">Account: </span><span className="block truncate text-sm font-medium leading-4">{user.name || user.email.split('@')[0]}</span><span className="block truncate text-xs text-faint">{user.email}</span></span>
      </button>
    } entries={[
      ...settings.map((s) => ({ label: s.name, icon: s.icon, onSelect: () => go(s.to) })),
      { label: 'Keyboard shortcuts', icon: CircleHelp, onSelect: onHelp }, '-',
      { label: 'Sign out', icon: LogOut, onSelect: () => void leave() },
    ]} />
  );
}

function Sidebar({ onGo, onPalette, onHelp, onNewTeam }: { onGo?: () => void; onPalette: () => void; onHelp: () => void; onNewTeam: () => void }) {
  const [at] = useLocation();
  const { user } = useMe();
  const places = usePlaces();
  return (
    <div className="flex h-full flex-col">
      <div className="space-y-3 p-4 pb-3">
      <Link href="/" onClick={onGo} className="block px-1.5 py-1"><Brand /></Link>
      <TeamSwitch onNew={onNewTeam} />
      <button type="button" onClick={onPalette} className="flex h-9 w-full items-center gap-2.5 rounded-md border border-line bg-sunk/60 px-2.5 text-base text-faint hover:border-line-strong hover:text-soft">
        <Search className="size-4" aria-hidden /><span className="flex-1 text-left">Go to…</span><Kbd>⌘K</Kbd>
      </button>
      </div>
      <div className="min-h-0 flex-1 overflow-y-auto px-4 pb-3">
      <nav aria-label="Main" className="space-y-px">
        {places.map((p) => <NavLink key={p.to} place={p} at={at} onGo={onGo} />)}
      </nav>
      {user.is_operator && (
        <nav aria-label="Operator" className="mt-3 space-y-px">
          <p className="px-2.5 pb-1 pt-2 text-xs font-medium text-faint">Operator</p>
          {operator.map((p) => <NavLink key={p.to} place={p} at={at} onGo={onGo} />)}
        </nav>
      )}
      </div>
      <div className="space-y-1.5 border-t border-line px-4 py-3">
        <BalancePill />
        <div className="flex items-center gap-1"><UserMenu onHelp={onHelp} /><ThemeButton /></div>
      </div>
    </div>
  );
}

export default function Shell({ children }: { children: ReactNode }) {
  const [drawer, setDrawer] = useState(false);
  const [palette, setPalette] = useState(false);
  const [newTeam, setNewTeam] = useState(false);
  const [at] = useLocation();
  const help = useShortcuts(() => setPalette((o) => !o));
  useEffect(() => { setDrawer(false); window.scrollTo(0, 0); }, [at]);
  useEffect(() => { const t = setTimeout(() => void palettePage(), 1500); return () => clearTimeout(t); }, []); // there when it is wanted
  const sidebar = <Sidebar onPalette={() => { setDrawer(false); setPalette(true); }} onHelp={help.open} onNewTeam={() => { setDrawer(false); setNewTeam(true); }} onGo={() => setDrawer(false)} />;
  return (
    <div className="min-h-dvh lg:pl-64">
      <a href="#main" className="sr-only focus:not-sr-only focus:fixed focus:left-3 focus:top-3 focus:z-50 focus:rounded focus:bg-panel focus:px-3 focus:py-2">Skip to the content</a>
      <aside className="fixed inset-y-0 left-0 z-30 hidden w-64 border-r border-line bg-panel lg:block">{sidebar}</aside>
      <header className="sticky top-0 z-30 flex h-14 items-center gap-2 border-b border-line bg-panel/90 px-3 backdrop-blur lg:hidden">
        <RDialog.Root open={drawer} onOpenChange={setDrawer}>
          <RDialog.Trigger asChild><Button look="quiet" size="icon" aria-label="Menu"><MenuIcon className="size-5" aria-hidden /></Button></RDialog.Trigger>
          <RDialog.Portal>
            <RDialog.Overlay className="fixed inset-0 z-40 bg-black/40 animate-fade-in" />
            <RDialog.Content aria-describedby={undefined} className="fixed inset-y-0 left-0 z-50 w-72 border-r border-line bg-panel shadow-pop animate-fade-in">
              <RDialog.Title className="sr-only">Menu</RDialog.Title>
              <RDialog.Close asChild><Button look="quiet" size="icon" aria-label="Close the menu" className="absolute right-3 top-4"><X className="size-4" aria-hidden /></Button></RDialog.Close>
              {sidebar}
            </RDialog.Content>
          </RDialog.Portal>
        </RDialog.Root>
        <Link href="/" className="min-w-0 flex-1"><Brand /></Link>
        <Button look="quiet" size="icon" aria-label="Search and commands" onClick={() => setPalette(true)}><Search className="size-4" aria-hidden /></Button>
      </header>
      <main id="main" className="mx-auto w-full max-w-6xl px-4 py-6 sm:px-8 sm:py-8">{children}</main>
      <Suspense fallback={null}>
        {palette && <Palette onClose={() => setPalette(false)} onHelp={help.open} />}
        {newTeam && <NewTeam onClose={() => setNewTeam(false)} />}
      </Suspense>
      {help.dialog}
    </div>
  );
}
