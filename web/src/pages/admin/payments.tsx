import { CreditCard, Scale, Zap } from 'lucide-react';
import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import { useGet, useLate, useList, useParam, useSend, useTitle } from '@/lib/hooks';
import { compare } from '@/lib/money';
import { count, dateTime } from '@/lib/time';
import type { AdminPayment, Reconciliation, StripeEvent } from '@/lib/types';
import { Badge, Button, Card, Empty, PageHeader, Skeleton, type Tone } from '@/ui/basic';
import { Failed, Money, paged, Table, When } from '@/ui/data';
import { SearchField } from '@/ui/form';
import { Select } from '@/ui/select';
import { say, sayError } from '@/ui/notices';
import { Tabs } from '@/ui/tabs';
import { paymentKinds, PaymentStatus, paymentStates, Price } from '../payments';

export default function AdminPayments() {
  useTitle('Payments');
  const [tab, setTab] = useParam('tab', 'payments');
  return (
    <>
      <PageHeader title="Payments" note="What was paid through Stripe, what Stripe told, and whether both books agree." />
      <Tabs label="Payments" value={tab} onChange={setTab} tabs={[['payments', 'Payments'], ['events', 'Events'], ['reconciliation', 'Reconciliation']]}>
        {tab === 'events' ? <Events /> : tab === 'reconciliation' ? <Reconciled /> : <Payments />}
      </Tabs>
    </>
  );
}

function Payments() {
  const [q, setQ] = useParam('q');
  const [status, setStatus] = useParam('status');
  const [, go] = useLocation();
  const list = useList<AdminPayment>('/api/admin/payments', { q: useLate(q.trim()), status });
  return (
    <Card flush>
      <div className="flex flex-wrap gap-2 p-4"><SearchField label="Search by e-mail, team or number" value={q} onChange={setQ} className="flex-1 basis-52" /><Select label="Status" value={status} onChange={setStatus} choices={[{ value: '', label: 'Any status' }, ...paymentStates]} /></div>
      <Table label="Payments" rows={list.rows} {...paged(list)} id={(p) => p.id} onRow={(p) => go(`/admin/payments/${p.id}`)} empty={<Empty icon={CreditCard} title="No payments">{q || status ? 'None fits these filters.' : 'What customers pay is listed here.'}</Empty>} columns={[
        { head: 'Customer', cell: (p) => <div className="min-w-0"><Link href={`/admin/payments/${p.id}`} className="font-medium hover:underline">{p.user?.email ?? p.team.name}</Link><p className="truncate font-mono text-xs text-faint">{p.id}</p></div> },
        { head: 'What', phone: 'hide', cell: (p) => <span className="text-soft">{paymentKinds[p.kind]}</span> },
        { head: 'When', cell: (p) => <span className="text-soft"><When at={p.created_at} /></span> },
        { head: 'Status', cell: (p) => <span className="flex flex-wrap gap-1"><PaymentStatus of={p} />{p.status !== 'disputed' && p.disputes > 0 && <Badge>was disputed</Badge>}</span> },
        { head: 'Taken back', right: true, phone: 'hide', cell: (p) => (compare(p.refunded, '0') > 0 ? <Money of={p.refunded} /> : <span className="text-faint">—</span>) },
        { head: 'Owed', right: true, phone: 'hide', cell: (p) => (compare(p.owed, '0') > 0 ? <span className="text-bad"><Money of={p.owed} /></span> : <span className="text-faint">—</span>) },
        { head: 'Amount', right: true, cell: (p) => <Price of={p} /> },
      ]} />
    </Card>
  );
}

const eventStates: Record<StripeEvent['state'], [string, Tone]> = { stored: ['To be worked on', 'brand'], done: ['Done', 'good'], ignored: ['Nothing to do', 'plain'], refused: ['Refused', 'bad'] };
export const EventState = ({ of: e }: { of: StripeEvent }) => <Badge tone={eventStates[e.state][1]} dot>{eventStates[e.state][0]}</Badge>;

function Events() {
  const [state, setState] = useParam('state');
  const [type, setType] = useParam('type');
  const list = useList<StripeEvent>('/api/admin/stripe-events', { state, type: useLate(type.trim()) }, 50, (e) => e.state === 'stored');
  return (
    <Card flush>
      <div className="flex flex-wrap gap-2 p-4"><SearchField label="Type, such as charge.refunded" value={type} onChange={setType} className="flex-1 basis-52" /><Select label="State" value={state} onChange={setState} choices={[{ value: '', label: 'Any state' }, ...Object.entries(eventStates).map(([value, [label]]) => ({ value, label }))]} /></div>
      <Table label="Events" rows={list.rows} {...paged(list)} id={(e) => e.id} empty={<Empty icon={Zap} title="No events">{state || type ? 'None fits these filters.' : 'What Stripe tells is listed here.'}</Empty>} columns={[
        { head: 'Event', cell: (e) => <div className="min-w-0"><p className="font-medium">{e.type}</p><p className="truncate font-mono text-xs text-faint">{e.id}</p></div> },
        { head: 'Happened', phone: 'hide', cell: (e) => <span className="text-soft"><When at={e.created_at} /></span> },
        { head: 'Told', cell: (e) => <span className="text-soft"><When at={e.received_at} />{e.deliveries > 1 && `, ${count(e.deliveries)} times`}</span> },
        { head: 'Note', phone: 'hide', cell: (e) => <span className="block max-w-xs truncate text-soft" title={e.note}>{e.note}</span> },
        { head: 'State', right: true, cell: (e) => <EventState of={e} /> },
      ]} />
    </Card>
  );
}

type Report = Reconciliation['reports'][number];
function Reconciled() {
  const [asked, ask] = useState<string | null>(null);
  const q = useGet<Reconciliation>('/api/admin/reconciliation', (r) => (asked !== null && (r?.reports[0]?.id ?? '') === asked ? 2_000 : false));
  const send = useSend(() => ['/api/admin/reconciliation', { body: {} }]);
  const r = q.data;
  if (!r) return q.error ? <Failed error={q.error} retry={() => void q.refetch()} /> : <Skeleton className="h-64" />;
  const newest = r.reports[0]?.id ?? '';
  const waiting = send.isPending || (asked !== null && asked === newest);
  const now = r.enabled && <Button look="primary" icon={Scale} busy={waiting} onClick={() => send.mutate(undefined, { onSuccess: () => { ask(newest); say('The comparison has begun.'); }, onError: sayError })}>Compare now</Button>;
  return (
    <Card flush title="Reports" note="Stripe's lists of payments, refunds and disputes are compared with ours; events that never came are filled in." action={r.reports.length > 0 && now}>
      <Table label="Reports" rows={r.reports} id={(x) => x.id} empty={<Empty icon={Scale} title="No report yet" action={now}>{r.enabled ? 'The first comes by itself.' : 'Stripe is not set up in the configuration.'}</Empty>} columns={[
        { head: 'Made', cell: (x) => <span className="font-medium" title={dateTime(x.at)}><When at={x.at} /></span> },
        { head: 'Since', phone: 'hide', cell: (x) => <span className="text-soft">{dateTime(x.from)}</span> },
        { head: 'Compared', right: true, cell: (x) => count(x.checked) }, { head: 'Filled in', right: true, cell: (x) => count(x.mended) },
        { head: 'Differences', cell: (x) => <Findings of={x} /> },
      ]} />
    </Card>
  );
}

function Findings({ of: x }: { of: Report }) {
  if (x.mismatches === 0) return <Badge tone="good" dot>None</Badge>;
  return (
    <div className="max-sm:text-left">
      <Badge tone="bad" dot>{count(x.mismatches)}</Badge>
      <ul className="mt-1.5 space-y-1.5 text-sm">
        {x.findings.map((f, i) => <li key={i}><span className="font-medium">{f.kind.replace(/_/g, ' ')}</span> <span className="break-all font-mono text-xs text-faint">{f.object}</span><span className="block text-soft">here {f.ours || 'nothing'}, at Stripe {f.theirs || 'nothing'}</span></li>)}
      </ul>
    </div>
  );
}
