import { useGet } from '@/lib/hooks';
import { useMay } from '@/lib/session';
import type { Balance, BillingOptions } from '@/lib/types';
import { Link } from 'wouter';
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
  const q = useGet<Balance>('/api/billing/balance', large ? 5_000 : 30_000);
  const b = q.data;
  const may = useMay()('billing.checkout');
  const sells = useGet<BillingOptions>(may && !large ? '/api/billing/options' : null).data?.enabled;
  if (q.error && !b) return <div className="rounded-lg border border-line bg-panel"><Failed error={q.error} retry={() => void q.refetch()} /></div>;
  const [name, tone, line] = states[b?.state ?? 'good'];
  return (
    <section aria-label="Balance" data-state={b?.state} className={cx('relative overflow-hidden rounded-lg border bg-panel px-5 py-4 shadow-card max-sm:col-span-2', b ? line : 'border-line')}>
      {b && <div aria-hidden className={cx('absolute inset-y-0 left-0 w-1', tone === 'good' ? 'bg-good' : tone === 'warn' ? 'bg-warn-face' : 'bg-bad')} />}
      <div className="flex items-center justify-between gap-3"><p className="text-sm text-soft">Balance</p>{b && <Badge tone={tone} dot>{name}</Badge>}</div>
      <p className={cx('num mt-1.5 font-semibold tracking-tight', large ? 'text-4xl' : 'text-2xl')}>{b ? <Money of={b.available} round={large ? false : 'down'} /> : <Skeleton className="h-7 w-28" />}</p>
      <div className="mt-1 flex flex-wrap items-baseline justify-between gap-x-3">
        <p className="num text-sm text-faint">{b ? compare(b.held, '0') > 0 ? <>and <Money of={b.held} /> held for running calls</> : 'available to spend' : <Skeleton className="h-4 w-32" />}</p>
        {sells && <Link href="/billing?topup=1" className="link text-sm">Top up</Link>}
      </div>
    </section>
  );
}
