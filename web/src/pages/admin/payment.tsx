import { ArrowLeft, LockOpen, Snowflake, Undo2 } from 'lucide-react';
import { useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from 'wouter';
import { api, ApiError, once } from '@/lib/api';
import { useForm, useGet, useTitle } from '@/lib/hooks';
import { compare, typedAmount } from '@/lib/money';
import { count, dateTime } from '@/lib/time';
import type { PaymentDetail } from '@/lib/types';
import { Badge, Button, Card, Empty, PageHeader, Skeleton } from '@/ui/basic';
import { CopyButton, Facts, Failed, Money, Table, When } from '@/ui/data';
import { Field, Problem } from '@/ui/form';
import { say } from '@/ui/notices';
import { Dialog, DialogFoot } from '@/ui/overlay';
import { Papers, paymentKinds, PaymentStatus, Price } from '../payments';
import { EventState } from './payments';

const id = (text: string) => (text ? <span className="flex items-center gap-1"><span className="break-all font-mono text-xs">{text}</span><CopyButton small text={text} label="Copy the number" /></span> : '—');

type Dispute = PaymentDetail['disputes'][number];
const isWarning = (d: Dispute) => d.reason === 'early_fraud_warning';
const holds = (d: Dispute) => !d.lost && !d.reinstated && !d.released && (d.opened || d.withdrawn);
const why = (d: Dispute) => (isWarning(d) ? "The card's bank suspects fraud (early warning)." : d.withdrawn ? 'The customer disputes it with the bank, which has taken the money back until it decides.' : 'The customer disputes it with the bank.');

function outcome(d: Dispute) {
  if (d.released && !d.lost && !d.reinstated) return <Badge tone="brand" dot>Released</Badge>;
  if (d.lost) return <Badge tone="bad" dot>Lost</Badge>;
  if (d.reinstated) return <Badge tone="good" dot>Won</Badge>;
  return d.opened ? <Badge tone="warn" dot>Open</Badge> : <Badge dot>Closed</Badge>;
}

export default function AdminPayment() {
  const { id: number = '' } = useParams<{ id: string }>();
  const path = `/api/admin/payments/${encodeURIComponent(number)}`;
  const q = useGet<PaymentDetail>(path, 5_000);
  const [refunding, refund] = useState(false);
  const [released, release] = useState<Dispute | null>(null);
  const p = q.data;
  useTitle(p?.user?.email ?? 'Payment');
  const back = <Link href="/admin/payments" className="mb-3 inline-flex items-center gap-1.5 text-sm font-medium text-soft hover:text-ink"><ArrowLeft className="size-3.5" aria-hidden />Payments</Link>;
  if (q.error && !p) return <>{back}<Failed error={q.error} retry={() => void q.refetch()} /></>;
  if (!p) return <>{back}<Skeleton className="mb-6 h-9 w-72" /><Skeleton className="h-64" /></>;
  return (
    <>
      {back}
      <PageHeader title={<span className="flex flex-wrap items-center gap-3"><Money of={p.amount} /><PaymentStatus of={p} /></span>} note={p.failure || p.description || paymentKinds[p.kind]}>
        {p.status === 'completed' && compare(p.refunded, p.amount) < 0 && <Button icon={Undo2} onClick={() => refund(true)}>Refund</Button>}
      </PageHeader>
      {p.disputes.some(holds) && (
        <div role="status" className="mb-4 flex items-start gap-3 rounded-lg border border-warn-face/50 bg-warn-face/10 px-5 py-4">
          <Snowflake className="mt-0.5 size-5 shrink-0 text-warn" aria-hidden />
          <div className="min-w-0">
            <p className="font-semibold">{compare(p.frozen, '0') > 0 ? <><Money of={p.frozen} /> of its credit is frozen</> : 'Its credit is taken back'}</p>
            {p.disputes.filter(holds).map((d) => <p key={d.id} className="mt-0.5 text-soft">{why(d)}</p>)}
            <p className="mt-0.5 text-soft">If you trust the customer, give it back below. What the bank takes in the end is taken all the same.</p>
          </div>
        </div>
      )}
      <div className="grid gap-4 lg:grid-cols-2">
        <Card title="Payment">
          <Facts of={[
            ['Customer', p.user ? <Link href={`/admin/customers/${p.user.id}`} className="link">{p.user.email}</Link> : '—'], ['Team', p.team.name],
            ['Begun', dateTime(p.created_at)], ['Paid', p.completed_at ? dateTime(p.completed_at) : '—'],
            ['Amount', <Price of={p} />], ['Refunded', <Money of={p.refunded} />], ['Papers', p.receipt_id ? <Papers of={p} at={(i) => `/api/admin/invoices/${i}/pdf`} /> : '—'], ['Owed', compare(p.owed, '0') > 0 ? <span className="text-bad"><Money of={p.owed} />, spent before it was taken back</span> : <Money of={p.owed} />],
          ]} />
        </Card>
        <Card title="Numbers"><Facts of={[['Here', id(p.id)], ['Checkout', id(p.session_id)], ['Payment intent', id(p.payment_intent)]]} /></Card>
      </div>
      {p.refunds.length > 0 && (
        <Card className="mt-4" flush title="Refunds">
          <Table label="Refunds" rows={p.refunds} id={(r) => r.id} empty={null} columns={[
            { head: 'Refund', cell: (r) => <span className="break-all font-mono text-xs">{r.id}</span> }, { head: 'State', cell: (r) => (r.failed ? <Badge tone="bad" dot>Failed</Badge> : <Badge tone="good" dot>Sent back</Badge>) }, { head: 'Amount', right: true, cell: (r) => <Money of={r.amount} /> },
          ]} />
        </Card>
      )}
      {p.disputes.length > 0 && (
        <Card className="mt-4" flush title="Disputes and warnings">
          <Table label="Disputes" rows={p.disputes} id={(d) => d.id} empty={null} columns={[
            { head: 'Dispute', cell: (d) => <span className="break-all font-mono text-xs">{d.id}</span> }, { head: 'Reason', cell: (d) => <span className="text-soft">{d.reason.replace(/_/g, ' ') || '—'}</span> },
            { head: 'Money', phone: 'hide', cell: (d) => <span className="text-soft">{isWarning(d) ? 'with us' : d.reinstated ? 'given back to us' : d.withdrawn ? 'withdrawn by the bank' : 'with us'}</span> }, { head: 'State', cell: (d) => outcome(d) }, { head: 'Amount', right: true, cell: (d) => <Money of={d.amount} /> },
            { head: '', right: true, cell: (d) => holds(d) && <Button size="sm" icon={LockOpen} onClick={() => release(d)}>Give back</Button> },
          ]} />
        </Card>
      )}
      <Card className="mt-4" flush title="Events" note="What Stripe told of this payment.">
        <Table label="Events" rows={p.events} id={(e) => e.id} empty={<Empty title="Nothing was told yet" />} columns={[
          { head: 'Event', cell: (e) => <div className="min-w-0"><p className="font-medium">{e.type}</p><p className="truncate font-mono text-xs text-faint">{e.id}</p></div> },
          { head: 'Told', cell: (e) => <span className="text-soft"><When at={e.received_at} />{e.deliveries > 1 && `, ${count(e.deliveries)} times`}</span> },
          { head: 'Note', phone: 'hide', cell: (e) => <span className="text-soft">{e.note}</span> }, { head: 'State', right: true, cell: (e) => <EventState of={e} /> },
        ]} />
      </Card>
      {released && <ReleaseDialog of={released} path={path} onClose={() => release(null)} />}
      {refunding && <RefundDialog of={p} path={path} onClose={() => refund(false)} />}
    </>
  );
}

function ReleaseDialog({ of: d, path, onClose }: { of: Dispute; path: string; onClose: () => void }) {
  const client = useQueryClient();
  const f = useForm({ reason: '' }, async (v) => {
    const p = await api<PaymentDetail>(`${path}/disputes/${encodeURIComponent(d.id)}/release`, { body: { reason: v.reason.trim() || undefined } });
    client.setQueryData([path], p);
    say('The credit can be spent again.');
    onClose();
  });
  return (
    <Dialog open onClose={onClose} title="Give the credit back?" note={<>{why(d)} The customer can spend it again at once. If the bank decides against us it is taken then, and what is spent by then is owed.</>}>
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <Field label="Reason" optional {...f.bind('reason')} maxLength={200} note="For the audit log." autoFocus />
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={f.busy}>Give it back</Button></DialogFoot>
      </form>
    </Dialog>
  );
}

function RefundDialog({ of: p, path, onClose }: { of: PaymentDetail; path: string; onClose: () => void }) {
  const client = useQueryClient();
  const [token] = useState(once);
  const f = useForm({ amount: '', reason: '' }, async (v) => {
    const amount = v.amount.trim() ? typedAmount(v.amount) : undefined;
    if (amount === null) throw new ApiError(422, 'validation_failed', 'It must be an amount in dollars, such as 25 or 0.50, or empty.', 'amount');
    await api(`${path}/refund`, { body: { amount, reason: v.reason.trim() || undefined }, idempotent: token });
    await client.invalidateQueries({ predicate: (q) => String(q.queryKey[0]).startsWith('/api/admin/payments') });
    say('The refund has begun.');
    onClose();
  });
  return (
    <Dialog open onClose={onClose} title="Refund" note={<>Of a payment of <Money of={p.amount} />. What the customer has spent of it cannot be refunded here.</>}>
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <Field label="Amount in US dollars" optional {...f.bind('amount')} inputMode="decimal" placeholder="all that is unspent" autoFocus />
        <Field label="Reason" optional {...f.bind('reason')} maxLength={200} note="For the audit log." />
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="danger" busy={f.busy}>Refund</Button></DialogFoot>
      </form>
    </Dialog>
  );
}
