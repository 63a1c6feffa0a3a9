import { useEffect, useRef, useState } from 'react';
import { useLocation } from 'wouter';
import { useMe } from '@/lib/session';
import { Kbd } from '@/ui/basic';
import { Dialog } from '@/ui/overlay';
import { operator, settings, usePlaces } from './nav';

// ⌘K or Ctrl-K; "g" and a letter; "?" shows them all. Never while somebody types.
export function useShortcuts(onPalette: () => void) {
  const { user } = useMe();
  const places = usePlaces();
  const [, go] = useLocation();
  const [shown, show] = useState(false);
  const pending = useRef(0);
  const known = [...places, ...settings, ...(user.is_operator ? operator : [])].filter((p) => p.keys);
  useEffect(() => {
    const key = (e: KeyboardEvent) => {
      if ((e.metaKey || e.ctrlKey) && e.key.toLowerCase() === 'k') { e.preventDefault(); onPalette(); return; }
      if (e.metaKey || e.ctrlKey || e.altKey || (e.target as HTMLElement).closest('input,textarea,select,[contenteditable],[role=dialog],[role=menu]')) return;
      if (e.key === '?') { show(true); return; }
      if (e.key === 'g') { pending.current = Date.now(); return; }
      const place = Date.now() - pending.current < 1000 && known.find((p) => p.keys === `g ${e.key}`);
      pending.current = 0;
      if (place) { e.preventDefault(); go(place.to); }
    };
    document.addEventListener('keydown', key);
    return () => document.removeEventListener('keydown', key);
  });
  const rows: [string, string][] = [['⌘ K', 'Go to anything'], ['/', 'Search on this page'], ['?', 'These shortcuts'], ...known.map((p): [string, string] => [p.keys!, p.name])];
  const dialog = (
    <Dialog open={shown} onClose={() => show(false)} title="Keyboard shortcuts">
      <dl className="grid grid-cols-1 gap-y-2 sm:grid-cols-2 sm:gap-x-8">
        {rows.map(([keys, name]) => (
          <div key={keys} className="flex items-center justify-between gap-4"><dt className="text-soft">{name}</dt><dd className="flex gap-1">{keys.split(' ').map((k) => <Kbd key={k}>{k}</Kbd>)}</dd></div>
        ))}
      </dl>
    </Dialog>
  );
  return { open: () => show(true), dialog };
}
