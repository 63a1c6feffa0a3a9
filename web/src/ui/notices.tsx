import { CircleAlert, CircleCheck } from 'lucide-react';
import { useSyncExternalStore } from 'react';
import { messageOf } from '@/lib/api';

// ---- short notices at the lower edge ----
interface Notice { id: number; text: string; bad: boolean }
let notices: Notice[] = [];
let next = 0;
const listeners = new Set<() => void>();
const tell = (now: Notice[]) => { notices = now; listeners.forEach((f) => f()); };
export function say(text: string, bad = false) {
  const id = next++;
  tell([...notices.slice(-2), { id, text, bad }]);
  setTimeout(() => tell(notices.filter((n) => n.id !== id)), bad ? 7000 : 3500);
}
export const sayError = (e: unknown) => say(messageOf(e), true);
const subscribe = (f: () => void) => { listeners.add(f); return () => { listeners.delete(f); }; };

export function Notices() {
  const now = useSyncExternalStore(subscribe, () => notices);
  return (
    <div role="status" aria-live="polite" className="pointer-events-none fixed inset-x-0 bottom-4 z-[60] flex flex-col items-center gap-2 px-4">
      {now.map((n) => (
        <div key={n.id} className="pointer-events-auto flex max-w-md animate-rise items-start gap-2.5 rounded-lg border border-line bg-panel px-4 py-2.5 text-base shadow-pop">
          {n.bad ? <CircleAlert className="mt-0.5 size-4 shrink-0 text-bad" aria-hidden /> : <CircleCheck className="mt-0.5 size-4 shrink-0 text-good" aria-hidden />}{n.text}
        </div>
      ))}
    </div>
  );
}
