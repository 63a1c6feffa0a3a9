import { ArrowLeft, Ban, CircleCheck, Gauge, Plus } from 'lucide-react';
import { useState } from 'react';
import { Link, useParams } from 'wouter';
import { useQueryClient } from '@tanstack/react-query';
import { api, ApiError, once } from '@/lib/api';
import { useForm, useGet, useTitle } from '@/lib/hooks';
import { compare, typedAmount } from '@/lib/money';
import { count, date, dateTime } from '@/lib/time';
import { LIMITS, type AdminPayment, type AdminSubscription, type CustomerDetail, type List } from '@/lib/types';
import { Badge, Button, Card, Empty, PageHeader, Skeleton, Stat } from '@/ui/basic';
import { CopyButton, Facts, Failed, Money, Table, When } from '@/ui/data';
import { Field, Problem } from '@/ui/form';
import { say } from '@/ui/notices';
import { Confirm, Dialog, DialogFoot } from '@/ui/overlay';
import { limitNames, readLimits } from '../key-dialogs';
import { CapBar, KeyStatus } from '../keys';
import { paymentKinds, PaymentStatus, Price } from '../payments';
import { every, priceOf } from '../plans';
import { SubscriptionState } from '../subscription';

export default function CustomerPage() {
  const { id = '' } = useParams<{ id: string }>();
  const path = `/api/admin/customers/${encodeURIComponent(id)}`;
  const q = useGet<CustomerDetail>(path);
  const client = useQueryClient();
  const [doing, set] = useState<'credit' | 'limits' | 'suspend' | null>(null);
  const c = q.data;
  useTitle(c?.user.email ?? 'Customer');
  const again = () => client.invalidateQueries({ predicate: (x) => String(x.queryKey[0]).startsWith('/api/admin/customers') });
  const back = <Link href="/admin/customers" className="mb-3 inline-flex items-center gap-1.5 text-sm font-medium text-soft hover:text-ink"><ArrowLeft className="size-3.5" aria-hidden />Customers</Link>;
  if (q.error && !c) return <>{back}<Failed error={q.error} retry={() => void q.refetch()} /></>;
  if (!c) return <>{back}<Skeleton className="mb-6 h-9 w-72" /><Skeleton className="h-64" /></>;
  const limits = LIMITS.filter((l) => c.limits?.[l] != null);
  return (
    <>
      {back}
      <PageHeader title={<span className="flex flex-wrap items-center gap-3 break-all">{c.user.email}{c.user.suspended && <Badge tone="bad" dot>Suspended</Badge>}</span>} note={<>{c.user.name && `${c.user.name}, `}since {date(c.user.created_at)}</>}>
        <Button icon={Gauge} onClick={() => set('limits')}>Limits</Button>
        <Button icon={c.user.suspended ? CircleCheck : Ban} onClick={() => set('suspend')}>{c.user.suspended ? 'Let in again' : 'Suspend'}</Button>
        <Button look="primary" icon={Plus} onClick={() => set('credit')}>Give credit</Button>
      </PageHeader>
      <div className="grid grid-cols-2 gap-3 sm:gap-4 xl:grid-cols-4">
        <Stat label="Balance"><Money of={c.balance} round="down" /></Stat>
        <Stat label="Spent, 30 days"><Money of={c.spent_30d} round /></Stat>
        <Stat label="Requests, 30 days">{count(c.requests_30d)}</Stat>
        <Stat label="Last call"><When at={c.last_call_at} never="Never" /></Stat>
      </div>
      <div className="mt-4 grid gap-4 lg:grid-cols-2">
        <Card title="Account">
          <Facts of={[
            ['User', <span className="flex items-center gap-1"><span className="break-all font-mono text-xs">{c.user.id}</span><CopyButton small text={c.user.id} label="Copy the user's number" /></span>],
            ['Team', <span>{c.team.name} <span className="break-all font-mono text-xs text-faint">{c.team.id}</span></span>], 
            ['Limits', limits.length === 0 ? 'as the house' : limits.map((l) => `${count(c.limits![l]!)} ${limitNames[l][1]}`).join(', ')],
          ]} />
        </Card>
        <Card title="Upstream key" note="Minted for this customer at the provider; its value is shown to nobody.">
          {c.upstream_key?.exists ? <Facts of={[['Limit', c.upstream_key.limit ? <Money of={c.upstream_key.limit} /> : 'none'], ['Remaining', c.upstream_key.limit_remaining ? <Money of={c.upstream_key.limit_remaining} /> : '—'], ['Used this month', c.upstream_key.usage_monthly ? <Money of={c.upstream_key.usage_monthly} /> : '—'], ['Rotated', <When at={c.upstream_key.rotated_at} never="Never" />]]} /> : <p className="text-soft">None: calls go through the house's own key.</p>}
        </Card>
      </div>
      <Card className="mt-4" flush title="Credit">
        <Table label="Credit" rows={c.lots} id={(l) => l.id} empty={<Empty title="No credit" />} columns={[
          { head: 'Kind', cell: (l) => <span className="font-medium">{l.kind}</span> }, { head: 'Reason', phone: 'hide', cell: (l) => <span className="text-soft">{l.reason || l.source || '—'}</span> },
          { head: 'Granted', cell: (l) => <span className="text-soft" title={dateTime(l.granted_at)}>{date(l.granted_at)}</span> }, { head: 'Expires', phone: 'hide', cell: (l) => (l.expires_at ? date(l.expires_at) : 'Never') },
          { head: 'Amount', right: true, phone: 'hide', cell: (l) => <Money of={l.amount} /> }, { head: 'Remaining', right: true, cell: (l) => <Money of={l.remaining} /> },
        ]} />
      </Card>
      <Paid team={c.team.id} />
      <Card className="mt-4" flush title="Keys">
        <Table label="Keys" rows={c.keys} id={(k) => k.id} empty={<Empty title="No keys" />} columns={[
          { head: 'Name', cell: (k) => <span><span className="font-medium">{k.name}</span> <span className="font-mono text-xs text-faint">{k.key_display}</span></span> },
          { head: 'Made', phone: 'hide', cell: (k) => <span className="text-soft">{date(k.created_at)}</span> }, { head: 'Last used', cell: (k) => <span className="text-soft"><When at={k.last_used_at} never="Never" /></span> }, { head: 'Expires', phone: 'hide', cell: (k) => <span className="text-soft">{k.expires_at ? date(k.expires_at) : 'Never'}</span> },
          { head: 'Status', right: true, cell: (k) => <KeyStatus status={k.status} /> },
        ]} />
      </Card>
      {c.members && (
        <Card className="mt-4" flush title="Members">
          <Table label="Members" rows={c.members} id={(m) => m.user.id} empty={<Empty title="Nobody" />} columns={[
            { head: 'Member', cell: (m) => <span className="font-medium">{m.user.email}</span> }, { head: 'Role', cell: (m) => <Badge>{m.role}</Badge> }, { head: 'Cap', right: true, cell: (m) => <CapBar cap={m.cap} label={`Cap of ${m.user.email}`} /> },
          ]} />
        </Card>
      )}
      {doing === 'credit' && <Credit path={path} email={c.user.email} onClose={() => set(null)} onDone={again} />}
      {doing === 'limits' && <LimitsDialog path={path} of={c} onClose={() => set(null)} onDone={again} />}
      <Confirm open={doing === 'suspend'} onClose={() => set(null)} title={c.user.suspended ? `Let ${c.user.email} in again?` : `Suspend ${c.user.email}?`} action={c.user.suspended ? 'Let in' : 'Suspend'} onConfirm={async () => { await api(`${path}/${c.user.suspended ? 'unsuspend' : 'suspend'}`, { body: {} }); await again(); say(c.user.suspended ? 'They can sign in and call again.' : 'Their sessions and keys are refused from now on.'); }}>
        {c.user.suspended ? 'Their keys work again, with what credit they have.' : 'Their sessions end, and their keys are refused from the next call on. Their credit stays.'}
      </Confirm>
    </>
  );
}

function Credit({ path, email, onClose, onDone }: { path: string; email: string; onClose: () => void; onDone: () => Promise<void> }) {
  const [token] = useState(once);
  const f = useForm({ amount: '', reason: '' }, async (v) => {
    const amount = typedAmount(v.amount);
    if (!amount) throw new ApiError(422, 'validation_failed', 'It must be an amount in dollars, such as 25 or 0.50.', 'amount');
    await api(`${path}/credit`, { body: { amount, reason: v.reason.trim() }, idempotent: token });
    await onDone();
    say(`$${amount} given.`);
    onClose();
  });
  return (
    <Dialog open onClose={onClose} title="Give credit" note={`To the wallet of ${email}, as a promotional lot.`}>
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <Field label="Amount in US dollars" {...f.bind('amount')} inputMode="decimal" placeholder="25.00" autoFocus required />
        <Field label="Reason" note="The customer sees it on the statement." {...f.bind('reason')} required maxLength={200} />
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={f.busy}>Give credit</Button></DialogFoot>
      </form>
    </Dialog>
  );
}

function LimitsDialog({ path, of, onClose, onDone }: { path: string; of: CustomerDetail; onClose: () => void; onDone: () => Promise<void> }) {
  const f = useForm<Record<string, string>>(Object.fromEntries(LIMITS.map((l) => [l, of.limits?.[l]?.toString() ?? ''])), async (v) => {
    await api(`${path}/limits`, { body: readLimits(v) });
    await onDone();
    say('The limits are changed.');
    onClose();
  });
  return (
    <Dialog open onClose={onClose} wide title="Limits" note={`Of ${of.user.email}. Empty: as the house. 0: off.`}>
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <div className="grid grid-cols-2 gap-4 sm:grid-cols-3">{LIMITS.map((l) => <Field key={l} label={limitNames[l][0]} {...f.bind(l)} inputMode="numeric" placeholder="as the house" />)}</div>
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={f.busy}>Save</Button></DialogFoot>
      </form>
    </Dialog>
  );
}

// What the team has paid and subscribed to, where there is any of it.
function Paid({ team }: { team: string }) {
  const subscriptions = useGet<List<AdminSubscription>>(`/api/admin/subscriptions?q=${encodeURIComponent(team)}&limit=5`).data?.data ?? [];
  const payments = useGet<List<AdminPayment>>(`/api/admin/payments?q=${encodeURIComponent(team)}&limit=10`).data?.data ?? [];
  return (
    <>
      {subscriptions.length > 0 && (
        <Card className="mt-4" flush title="Subscriptions">
          <Table label="Subscriptions" rows={subscriptions} id={(s) => s.id} empty={null} columns={[
            { head: 'Plan', cell: (s) => <Link href={`/admin/subscriptions/${s.id}`} className="font-medium hover:underline">{s.plan?.name ?? s.id}</Link> },
            { head: 'Price', cell: (s) => (s.plan ? <span className="num">{priceOf(s.plan)} {every(s.plan)}</span> : '—') }, { head: 'Until', phone: 'hide', cell: (s) => <span className="text-soft">{s.period ? date(s.period.end) : '—'}</span> },
            { head: 'Credit left', right: true, phone: 'hide', cell: (s) => <Money of={s.credit.left} /> }, { head: 'Status', right: true, cell: (s) => <SubscriptionState of={s} /> },
          ]} />
        </Card>
      )}
      {payments.length > 0 && (
        <Card className="mt-4" flush title="Payments" action={<Link href={`/admin/payments?q=${team}`} className="link text-sm">All</Link>}>
          <Table label="Payments" rows={payments} id={(p) => p.id} empty={null} columns={[
            { head: 'What', cell: (p) => <Link href={`/admin/payments/${p.id}`} className="font-medium hover:underline">{paymentKinds[p.kind]}</Link> }, { head: 'When', cell: (p) => <span className="text-soft"><When at={p.created_at} /></span> },
            { head: 'Frozen', right: true, phone: 'hide', cell: (p) => (compare(p.frozen, '0') > 0 ? <span className="text-warn"><Money of={p.frozen} /></span> : <span className="text-faint">—</span>) },
            { head: 'Status', cell: (p) => <PaymentStatus of={p} /> }, { head: 'Amount', right: true, cell: (p) => <Price of={p} /> },
          ]} />
        </Card>
      )}
    </>
  );
}
