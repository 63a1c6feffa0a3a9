import { useGet } from '@/lib/hooks';
import type { Balance } from '@/lib/types';
import { Badge, cx, Skeleton, type Tone } from '@/ui/basic';
import { Failed, Money } from '@/ui/data';
import { compare } from '@/lib/money';

const states: Record<Balance['state'], [string, Tone, string]> = {
  good: ['Good', 'good', 'border-good/30'],
  low: ['Low', 'warn', 'border-warn-face/60'],
  very_low: ['Very low', 'bad', 'border-bad/40'],
};

// Green from $10, yellow from $1, red under it: the server says which.
export function BalanceCard({ large }: { large?: boolean }) {
  const q = useGet<Balance>('/api/billing/balance', 30_000);
  const b = q.data;
  if (q.error && !b) return <div className="rounded-lg border border-line bg-panel"><Failed error={q.error} retry={() => void q.refetch()} /></div>;
  const [name, tone, line] = states[b?.state ?? 'good'];
  return (
    <section aria-label="Balance" data-state={b?.state} className={cx('relative overflow-hidden rounded-lg border bg-panel px-5 py-4 shadow-card max-sm:col-span-2', b ? line : 'border-line')}>
      {b && <div aria-hidden className={cx('absolute inset-y-0 left-0 w-1', tone === 'good' ? 'bg-good' : tone === 'warn' ? 'bg-warn-face' : 'bg-bad')} />}
      <div className="flex items-center justify-between gap-3"><p className="text-sm text-soft">Balance</p>{b && <Badge tone={tone} dot>{name}</Badge>}</div>
      <p className={cx('num mt-1.5 font-semibold tracking-tight', large ? 'text-4xl' : 'text-2xl')}>{b ? <Money of={b.available} round={large ? false : 'down'} /> : <Skeleton className="h-7 w-28" />}</p>
      <p className="num mt-1 text-sm text-faint">{b ? compare(b.held, '0') > 0 ? <>and <Money of={b.held} /> held for running calls</> : 'available to spend' : <Skeleton className="h-4 w-32" />}</p>
    </section>
  );
}
