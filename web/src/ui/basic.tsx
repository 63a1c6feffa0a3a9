import { Slot } from './slot';
import { LoaderCircle, type LucideIcon } from 'lucide-react';
import type { ButtonHTMLAttributes, ReactNode } from 'react';
import { Link } from 'wouter';

export const cx = (...all: (string | false | null | undefined)[]) => all.filter(Boolean).join(' ');

const looks = {
  primary: 'bg-brand text-on-brand shadow-card hover:brightness-110 active:brightness-95 border border-transparent',
  plain: 'bg-panel text-ink border border-line-strong shadow-card hover:bg-sunk',
  quiet: 'text-soft hover:bg-sunk hover:text-ink border border-transparent',
  danger: 'bg-bad text-white dark:text-page shadow-card hover:brightness-110 border border-transparent',
};
const sizes = { sm: 'h-8 px-2.5 text-sm gap-1.5', md: 'h-9 px-3.5 text-base gap-2', lg: 'h-11 px-5 text-lg gap-2', icon: 'h-8 w-8' };

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: keyof typeof looks; size?: keyof typeof sizes; busy?: boolean; icon?: LucideIcon; asChild?: boolean;
}
export function Button({ look = 'plain', size = 'md', busy, icon: Icon, asChild, className, children, disabled, type = 'button', ...rest }: ButtonProps) {
  const face = cx('inline-flex shrink-0 items-center justify-center whitespace-nowrap rounded-md font-medium transition-[background,filter,color] disabled:pointer-events-none disabled:opacity-50', looks[look], sizes[size], className);
  if (asChild) return <Slot className={face}>{children}</Slot>;
  return (
    <button type={type} className={face} disabled={disabled || busy} aria-busy={busy || undefined} {...rest}>
      {busy ? <LoaderCircle className="size-4 animate-spin" aria-hidden /> : Icon && <Icon className={size === 'sm' ? 'size-3.5' : 'size-4'} aria-hidden />}
      {children}
    </button>
  );
}

export function LinkButton({ to, icon: Icon, look = 'plain', size = 'md', className, children }: { to: string; icon?: LucideIcon; look?: keyof typeof looks; size?: keyof typeof sizes; className?: string; children: ReactNode }) {
  return (
    <Link href={to} className={cx('inline-flex shrink-0 items-center justify-center whitespace-nowrap rounded-md font-medium transition-[background,filter,color]', looks[look], sizes[size], className)}>
      {Icon && <Icon className={size === 'sm' ? 'size-3.5' : 'size-4'} aria-hidden />}{children}
    </Link>
  );
}

export function Card({ title, note, action, children, className, flush, id }: { title?: ReactNode; note?: ReactNode; action?: ReactNode; children?: ReactNode; className?: string; flush?: boolean; id?: string }) {
  return (
    <section id={id} className={cx('rounded-lg border border-line bg-panel shadow-card', className)}>
      {(title || action) && (
        <header className={cx('flex flex-wrap items-start justify-between gap-x-4 gap-y-2 px-5 pt-4', flush && 'pb-3')}>
          <div className="min-w-0">
            <h2 className="text-base font-semibold leading-6">{title}</h2>
            {note && <p className="mt-0.5 text-sm text-faint">{note}</p>}
          </div>
          {action}
        </header>
      )}
      {flush ? children : children ? <div className="px-5 py-4">{children}</div> : <div className="h-4" />}
    </section>
  );
}

export function PageHeader({ title, note, children }: { title: ReactNode; note?: ReactNode; children?: ReactNode }) {
  return (
    <header className="mb-6 flex flex-wrap items-end justify-between gap-x-6 gap-y-3">
      <div className="min-w-0 max-w-2xl">
        <h1 className="text-2xl font-semibold tracking-tight">{title}</h1>
        {note && <p className="mt-1 text-base text-soft">{note}</p>}
      </div>
      {children && <div className="flex flex-wrap items-center gap-2">{children}</div>}
    </header>
  );
}

const tones = {
  plain: 'bg-sunk text-soft', good: 'bg-good/10 text-good', warn: 'bg-warn-face/15 text-warn', bad: 'bg-bad/10 text-bad', brand: 'bg-brand/10 text-brand-ink',
};
export type Tone = keyof typeof tones;
export function Badge({ tone = 'plain', dot, children, title }: { tone?: Tone; dot?: boolean; children: ReactNode; title?: string }) {
  return (
    <span title={title} className={cx('inline-flex items-center gap-1.5 whitespace-nowrap rounded-full px-2 py-0.5 text-xs font-medium tracking-normal', tones[tone])}>
      {dot && <span className={cx('size-1.5 rounded-full', tone === 'warn' ? 'bg-warn-face' : 'bg-current')} aria-hidden />}{children}
    </span>
  );
}

export function Skeleton({ className }: { className?: string }) {
  return <div aria-hidden className={cx('animate-[pulse_1.6s_ease-in-out_infinite] rounded bg-line/70', className)} />;
}

export function Empty({ icon: Icon, title, children, action }: { icon?: LucideIcon; title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="flex flex-col items-center px-6 py-14 text-center">
      {Icon && <span className="mb-4 grid size-11 place-items-center rounded-xl border border-line bg-sunk text-faint"><Icon className="size-5" aria-hidden /></span>}
      <p className="text-base font-semibold">{title}</p>
      {children && <p className="mt-1 max-w-sm text-base text-soft">{children}</p>}
      {action && <div className="mt-5">{action}</div>}
    </div>
  );
}

export function Bar({ percent, tone, label }: { percent: number; tone?: 'good' | 'warn' | 'bad'; label: string }) {
  const face = tone ?? (percent >= 100 ? 'bad' : percent >= 80 ? 'warn' : 'good');
  return (
    <div role="progressbar" aria-label={label} aria-valuenow={Math.round(percent)} aria-valuemin={0} aria-valuemax={100} className="h-1.5 w-full overflow-hidden rounded-full bg-line">
      <div className={cx('h-full rounded-full', face === 'good' ? 'bg-brand' : face === 'warn' ? 'bg-warn-face' : 'bg-bad')} style={{ width: `${percent}%` }} />
    </div>
  );
}

export function Kbd({ children }: { children: ReactNode }) {
  return <kbd className="inline-flex h-5 min-w-5 items-center justify-center rounded border border-line bg-sunk px-1 font-sans text-2xs font-medium text-faint">{children}</kbd>;
}

export function Stat({ label, children, foot, title }: { label: string; children: ReactNode; foot?: ReactNode; title?: string }) {
  return (
    <div className="min-w-0 rounded-lg border border-line bg-panel px-4 py-3.5 shadow-card sm:px-5 sm:py-4">
      <p className="text-sm text-soft">{label}</p>
      <p className="num mt-1.5 truncate text-2xl font-semibold tracking-tight" title={title}>{children}</p>
      {foot && <p className="num mt-1 text-sm text-faint">{foot}</p>}
    </div>
  );
}
