import { ArrowLeft, CircleX, RefreshCw } from 'lucide-react';
import { useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from 'wouter';
import { api } from '@/lib/api';
import { useGet, useTitle } from '@/lib/hooks';
import { date, dateTime } from '@/lib/time';
import type { AdminSubscriptionDetail } from '@/lib/types';
import { Button, Card, Empty, PageHeader, Skeleton } from '@/ui/basic';
import { CopyButton, Facts, Failed, Money, Table, When } from '@/ui/data';
import { say, sayError } from '@/ui/notices';
import { Confirm } from '@/ui/overlay';
import { Switch } from '@/ui/select';
import { Papers, paymentKinds, PaymentStatus, Price } from '../payments';
import { every, limitsOf, priceOf, rollOver } from '../plans';
import { isLive, SubscriptionState } from '../subscription';

const number = (text: string) => (text ? <span className="flex items-center gap-1"><span className="break-all font-mono text-xs">{text}</span><CopyButton small text={text} label="Copy the number" /></span> : '—');

export default function AdminSubscriptionPage() {
  const { id = '' } = useParams<{ id: string }>();
  const path = `/api/admin/subscriptions/${encodeURIComponent(id)}`;
  const client = useQueryClient();
  const q = useGet<AdminSubscriptionDetail>(path, 5_000);
  const [ending, end] = useState(false);
  const [now, atOnce] = useState(false);
  const [busy, set] = useState(false);
  const s = q.data;
  useTitle(s?.user?.email ?? 'Subscription');
  const again = () => client.invalidateQueries({ predicate: (x) => String(x.queryKey[0]).startsWith('/api/admin/subscriptions') });
  const refresh = async () => {
    set(true);
    try { await api(`${path}/refresh`, { body: {} }); say('It is fetched from Stripe.'); await again(); } catch (e) { sayError(e as Error); } finally { set(false); }
  };
  const back = <Link href="/admin/plans?tab=subscriptions" className="mb-3 inline-flex items-center gap-1.5 text-sm font-medium text-soft hover:text-ink"><ArrowLeft className="size-3.5" aria-hidden />Subscriptions</Link>;
  if (q.error && !s) return <>{back}<Failed error={q.error} retry={() => void q.refetch()} /></>;
  if (!s) return <>{back}<Skeleton className="mb-6 h-9 w-72" /><Skeleton className="h-64" /></>;
  const p = s.plan;
  return (
    <>
      {back}
      <PageHeader title={<span className="flex flex-wrap items-center gap-3">{p?.name ?? 'Subscription'}<SubscriptionState of={s} /></span>} note={s.failure ? `The last payment failed: ${s.failure.replace(/_/g, ' ')}.` : s.user?.email}>
        {s.stripe_id && <Button icon={RefreshCw} busy={busy} onClick={() => void refresh()}>Fetch again</Button>}
        {isLive(s) && <Button icon={CircleX} onClick={() => { atOnce(false); end(true); }}>Cancel it</Button>}
      </PageHeader>
      <div className="grid gap-4 lg:grid-cols-2">
        <Card title="Subscription">
          <Facts of={[
            ['Customer', s.user ? <Link href={`/admin/customers/${s.user.id}`} className="link">{s.user.email}</Link> : '—'], ['Team', s.team.name], ['Begun', dateTime(s.created_at)],
            ['Period', s.period ? `${date(s.period.start)} to ${date(s.period.end)}` : '—'], ...(s.trial_end ? [['Trial ends', date(s.trial_end)] as [string, string]] : []),
            [s.cancel_at_period_end ? 'Ends' : s.ended_at ? 'Ended' : 'Then', s.ended_at ? date(s.ended_at) : s.cancel_at_period_end ? (s.period ? date(s.period.end) : '—') : s.next_plan ? `${s.next_plan.name}, ${priceOf(s.next_plan)} ${every(s.next_plan)}` : 'renews'],
            ...(s.grace_until ? [['Grace until', date(s.grace_until)] as [string, string]] : []), ['Credit left', <><Money of={s.credit.left} /> <span className="text-faint">of <Money of={s.credit.included} /></span></>],
          ]} />
        </Card>
        <Card title="Plan">{p ? <Facts of={[['Price', `${priceOf(p)} ${every(p)}`], ['Credit', <><Money of={p.monthly_credit} /> a month</>], ['Roll-over', rollOver(p)], ['Limits', limitsOf(p) ? `${limitsOf(p)}${s.access ? '' : ' (not now)'}` : 'as the house'], ['Here', number(s.id)], ['At Stripe', number(s.stripe_id)]]} /> : <p className="text-soft">No plan.</p>}</Card>
      </div>
      <Card className="mt-4" flush title="Payments">
        <Table label="Payments" rows={s.payments} id={(x) => x.id} empty={<Empty title="Nothing was paid yet" />} columns={[
          { head: 'What', cell: (x) => <Link href={`/admin/payments/${x.id}`} className="font-medium hover:underline">{x.description || paymentKinds[x.kind]}</Link> }, { head: 'When', cell: (x) => <span className="text-soft"><When at={x.completed_at ?? x.created_at} /></span> },
          { head: 'Status', cell: (x) => <PaymentStatus of={x} /> }, { head: 'Amount', right: true, cell: (x) => <Price of={x} /> }, { head: '', right: true, cell: (x) => <Papers of={x} at={(i) => `/api/admin/invoices/${i}/pdf`} /> },
        ]} />
      </Card>
      <Confirm open={ending} onClose={() => end(false)} title="Cancel the subscription?" back="Keep it" action={now ? 'End it now' : 'Cancel at the period\'s end'} onConfirm={async () => { await api(`${path}/cancel`, { body: { now } }); await again(); say(now ? 'It is over.' : 'It ends with its period.'); }}>
        <p className="mb-4">{now ? 'It ends at once, with what is left of its credit. What was paid is not refunded by that: do so on the payment.' : <>Nothing more is charged. It goes on until {s.period ? date(s.period.end) : 'its period ends'}.</>}</p>
        <Switch label="At once" checked={now} onChange={atOnce} />
      </Confirm>
    </>
  );
}
