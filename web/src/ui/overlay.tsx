import * as RDialog from '@radix-ui/react-dialog';
import * as RMenu from '@radix-ui/react-dropdown-menu';
import { X, type LucideIcon } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import { messageOf } from '@/lib/api';
import { Button, cx } from './basic';
import { Field, Problem } from './form';

export function Dialog({ open, onClose, title, note, children, wide, locked }: { open: boolean; onClose: () => void; title: string; note?: ReactNode; children: ReactNode; wide?: boolean; locked?: boolean }) {
  return (
    <RDialog.Root open={open} onOpenChange={(o) => !o && onClose()}>
      <RDialog.Portal>
        <RDialog.Overlay className="fixed inset-0 z-40 bg-black/40 backdrop-blur-[2px] animate-fade-in dark:bg-black/60" />
        <div className="pointer-events-none fixed inset-0 z-50 grid items-end justify-items-center sm:items-center sm:p-6">
          <RDialog.Content aria-describedby={undefined} onInteractOutside={(e) => locked && e.preventDefault()} onEscapeKeyDown={(e) => locked && e.preventDefault()}
            className={cx('pointer-events-auto max-h-[92dvh] w-full animate-rise overflow-y-auto overscroll-contain rounded-t-xl border border-line bg-panel shadow-pop outline-none sm:rounded-xl', wide ? 'sm:max-w-2xl' : 'sm:max-w-md')}>
            <header className="flex items-start justify-between gap-4 px-6 pt-5">
              <div>
                <RDialog.Title className="text-lg font-semibold">{title}</RDialog.Title>
                {note && <p className="mt-1 text-base text-soft">{note}</p>}
              </div>
              {!locked && <RDialog.Close asChild><Button look="quiet" size="icon" aria-label="Close" className="-mr-2 -mt-1"><X className="size-4" aria-hidden /></Button></RDialog.Close>}
            </header>
            <div className="px-6 pb-6 pt-4">{children}</div>
          </RDialog.Content>
        </div>
      </RDialog.Portal>
    </RDialog.Root>
  );
}

export const DialogFoot = ({ children }: { children: ReactNode }) => <div className="mt-6 flex flex-wrap justify-end gap-2">{children}</div>;

// Asks before something that cannot be taken back; `word` must be typed where it hurts most.
export function Confirm({ open, onClose, title, children, action, back = 'Cancel', onConfirm, word }: { open: boolean; onClose: () => void; title: string; children: ReactNode; action: string; back?: string; onConfirm: (typed: string) => Promise<unknown>; word?: string }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const [typed, setTyped] = useState('');
  const close = () => { setError(''); setTyped(''); onClose(); };
  const go = async () => {
    setBusy(true);
    try { await onConfirm(typed); close(); } catch (e) { setError(messageOf(e)); } finally { setBusy(false); }
  };
  return (
    <Dialog open={open} onClose={close} title={title}>
      <form onSubmit={(e) => { e.preventDefault(); void go(); }} className="space-y-4">
        <div className="prose-soft">{children}</div>
        {word && <Field label={`Type ${word} to confirm`} value={typed} onChange={(e) => setTyped(e.target.value)} autoComplete="off" />}
        <Problem>{error}</Problem>
        <DialogFoot>
          <Button onClick={close}>{back}</Button>
          <Button type="submit" look="danger" busy={busy} disabled={!!word && typed !== word}>{action}</Button>
        </DialogFoot>
      </form>
    </Dialog>
  );
}

export interface MenuEntry { label: string; icon?: LucideIcon; onSelect: () => void; danger?: boolean; hidden?: boolean }
export function Menu({ trigger, entries, align = 'end', head }: { trigger: ReactNode; entries: (MenuEntry | '-')[]; align?: 'start' | 'end'; head?: ReactNode }) {
  return (
    <RMenu.Root>
      <RMenu.Trigger asChild>{trigger}</RMenu.Trigger>
      <RMenu.Portal>
        <RMenu.Content align={align} sideOffset={4} collisionPadding={8} className="menu">
          {head}
          {entries.map((e, i) => e === '-' ? <RMenu.Separator key={i} className="mx-1 my-1 h-px bg-line" /> : e.hidden ? null : (
            <RMenu.Item key={e.label} onSelect={e.onSelect} className={cx('menu-item', e.danger && '!text-bad [&_svg]:!text-bad')}>
              {e.icon && <e.icon className="size-4" aria-hidden />}{e.label}
            </RMenu.Item>
          ))}
        </RMenu.Content>
      </RMenu.Portal>
    </RMenu.Root>
  );
}
