// What is on offer by the month, and who is on it.
import { Archive, CalendarSync, EllipsisVertical, Pencil, Plus, RotateCcw, Trash2, Users } from 'lucide-react';
import { useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { Link, useLocation } from 'wouter';
import { api, ApiError, once } from '@/lib/api';
import { useForm, useGet, useLate, useList, useParam, useTitle } from '@/lib/hooks';
import { typedAmount, usd } from '@/lib/money';
import { count, date } from '@/lib/time';
import type { AdminPlan, AdminSubscription, BillingOptions } from '@/lib/types';
import { Badge, Button, Card, Empty, PageHeader } from '@/ui/basic';
import { Money, paged, Table } from '@/ui/data';
import { Field, Problem, SearchField } from '@/ui/form';
import { say, sayError } from '@/ui/notices';
import { Confirm, Dialog, DialogFoot, Menu } from '@/ui/overlay';
import { Select, SelectField } from '@/ui/select';
import { Tabs } from '@/ui/tabs';
import { every, limitsOf, priceOf, rollOver } from '../plans';
import { isLive, SubscriptionState, subscriptionStates } from '../subscription';

const path = '/api/admin/plans';

export default function AdminPlans() {
  useTitle('Plans');
  const [tab, setTab] = useParam('tab', 'plans');
  const sells = useGet<BillingOptions>('/api/billing/options').data?.enabled;
  const [form, edit] = useState<AdminPlan | 'new' | null>(null);
  const list = useList<AdminPlan>(path, {}, 50, (p) => p.active && !p.ready);
  return (
    <>
      <PageHeader title="Plans" note="Credit each month and a rate tier, for a price that Stripe collects.">{sells && tab === 'plans' && (list.rows?.length ?? 0) > 0 && <Button look="primary" icon={Plus} onClick={() => edit('new')}>Make a plan</Button>}</PageHeader>
      <Tabs label="Plans" value={tab} onChange={setTab} tabs={[['plans', 'Plans'], ['subscriptions', 'Subscriptions']]}>
        {tab === 'subscriptions' ? <Subscriptions /> : <Plans list={list} sells={sells} onEdit={edit} />}
      </Tabs>
      {form && <PlanForm of={form === 'new' ? null : form} onClose={() => edit(null)} />}
    </>
  );
}

const stateOf = (p: AdminPlan) => (!p.active ? <Badge>Retired</Badge> : p.ready ? <Badge tone="good" dot>On offer</Badge> : <Badge tone="brand" dot title="Stripe is told of its price">Being made</Badge>);

function Plans({ list, sells, onEdit }: { list: ReturnType<typeof useList<AdminPlan>>; sells: boolean | undefined; onEdit: (p: AdminPlan | 'new') => void }) {
  const client = useQueryClient();
  const [, go] = useLocation();
  const [dropping, drop] = useState<AdminPlan | null>(null);
  const again = () => client.invalidateQueries({ predicate: (q) => String(q.queryKey[0]).startsWith(path) || q.queryKey[0] === '/api/plans' });
  const offer = (p: AdminPlan, active: boolean) => api(`${path}/${p.id}`, { method: 'PATCH', body: { active } }).then(async () => { await again(); say(active ? `${p.name} is on offer again.` : `${p.name} is retired. Who has it keeps it.`); }, (e: Error) => sayError(e));
  return (
    <Card flush>
      <Table label="Plans" rows={list.rows} {...paged(list)} id={(p) => p.id} empty={<Empty icon={CalendarSync} title="No plans yet" action={sells && <Button look="primary" icon={Plus} onClick={() => onEdit('new')}>Make a plan</Button>}>{sells === false ? 'Stripe is not set up in the configuration: nothing can be sold.' : 'Customers can buy credit by itself. A plan brings it by the month.'}</Empty>} columns={[
        { head: 'Plan', cell: (p) => <div className="min-w-0"><button type="button" className="font-medium hover:underline" onClick={() => onEdit(p)}>{p.name}</button>{p.description && <p className="max-w-64 truncate text-sm text-faint">{p.description}</p>}</div> },
        { head: 'Price', right: true, cell: (p) => <span className="num">{priceOf(p)} <span className="text-faint">{every(p)}</span></span> },
        { head: 'Credit', right: true, cell: (p) => <span title={rollOver(p)}><Money of={p.monthly_credit} /> <span className="text-faint">a month</span></span> },
        { head: 'Limits', phone: 'hide', cell: (p) => <span className="text-soft">{limitsOf(p) || '—'}</span> },
        { head: 'Trial', phone: 'hide', cell: (p) => <span className="text-soft">{p.trial_days > 0 ? `${count(p.trial_days)} days` : '—'}</span> },
        { head: 'Subscribers', right: true, cell: (p) => (p.subscribers > 0 ? <Link href={`/admin/plans?tab=subscriptions&status=live&q=${encodeURIComponent(p.id)}`} className="link">{count(p.subscribers)}</Link> : <span className="text-faint">0</span>) },
        { head: 'State', cell: stateOf },
        { head: '', right: true, cell: (p) => (
          <Menu trigger={<Button look="quiet" size="icon" aria-label={`Actions for ${p.name}`}><EllipsisVertical className="size-4" aria-hidden /></Button>} entries={[
            { label: 'Edit', icon: Pencil, onSelect: () => onEdit(p) },
            { label: 'Who is on it', icon: Users, hidden: p.subscribers === 0, onSelect: () => go(`/admin/plans?tab=subscriptions&status=live&q=${encodeURIComponent(p.id)}`) },
            { label: 'Retire', icon: Archive, hidden: !p.active, onSelect: () => void offer(p, false) }, { label: 'Offer again', icon: RotateCcw, hidden: p.active, onSelect: () => void offer(p, true) },
            { label: 'Delete', icon: Trash2, danger: true, hidden: p.subscribers > 0, onSelect: () => drop(p) },
          ]} />) },
      ]} />
      <Confirm open={!!dropping} onClose={() => drop(null)} title={`Delete ${dropping?.name ?? ''}?`} action="Delete" onConfirm={async () => { await api(`${path}/${dropping!.id}`, { method: 'DELETE' }); await again(); say('The plan is deleted.'); }}>Only a plan that nobody ever had can be deleted; others are retired.</Confirm>
    </Card>
  );
}

function Subscriptions() {
  const [q, setQ] = useParam('q');
  const [status, setStatus] = useParam('status');
  const [, go] = useLocation();
  const list = useList<AdminSubscription>('/api/admin/subscriptions', { q: useLate(q.trim()), status });
  return (
    <Card flush>
      <div className="flex flex-wrap gap-2 p-4"><SearchField label="Search by e-mail, team, plan or number" value={q} onChange={setQ} className="flex-1 basis-52" /><Select label="Status" value={status} onChange={setStatus} choices={[{ value: '', label: 'Any status' }, { value: 'live', label: 'Not ended' }, ...subscriptionStates]} /></div>
      <Table label="Subscriptions" rows={list.rows} {...paged(list)} id={(s) => s.id} onRow={(s) => go(`/admin/subscriptions/${s.id}`)} empty={<Empty icon={CalendarSync} title="No subscriptions">{q || status ? 'None fits these filters.' : 'Who subscribes to a plan is listed here.'}</Empty>} columns={[
        { head: 'Customer', cell: (s) => <div className="min-w-0"><Link href={`/admin/subscriptions/${s.id}`} className="font-medium hover:underline">{s.user?.email ?? s.team.name}</Link><p className="truncate text-sm text-faint">{s.team.name}</p></div> },
        { head: 'Plan', cell: (s) => <span className="text-soft">{s.plan?.name ?? '—'}</span> },
        { head: 'Price', right: true, phone: 'hide', cell: (s) => (s.plan ? <span className="num">{priceOf(s.plan)} <span className="text-faint">{every(s.plan)}</span></span> : '—') },
        { head: 'Until', phone: 'hide', cell: (s) => <span className="text-soft">{s.period && isLive(s) ? date(s.period.end) : s.ended_at ? date(s.ended_at) : '—'}</span> },
        { head: 'Status', right: true, cell: (s) => <SubscriptionState of={s} /> },
      ]} />
    </Card>
  );
}

function amount(text: string, field: string): string {
  const a = typedAmount(text);
  if (!a || a.startsWith('-')) throw new ApiError(422, 'validation_failed', 'It must be an amount in dollars, such as 20 or 0.50.', field);
  return a;
}
function whole(text: string, field: string): number | null {
  if (!text.trim()) return null;
  if (!/^\d{1,9}$/.test(text.trim())) throw new ApiError(422, 'validation_failed', 'It must be a whole number, or empty.', field);
  return Number(text);
}

function PlanForm({ of, onClose }: { of: AdminPlan | null; onClose: () => void }) {
  const client = useQueryClient();
  const [token] = useState(once);
  const [interval, setInterval] = useState<string>(of?.interval ?? 'month');
  const [roll, setRoll] = useState<string>(of?.roll_over ?? 'none');
  const f = useForm({
    name: of?.name ?? '', description: of?.description ?? '', price: of?.price ?? '', monthly_credit: of?.monthly_credit ?? '', roll_over_max: of?.roll_over_max ?? '',
    rpm: of?.limits?.rpm ? String(of.limits.rpm) : '', burst: of?.limits?.burst ? String(of.limits.burst) : '', trial_days: String(of?.trial_days ?? 0), trial_credit: of?.trial_credit ?? '0',
  }, async (v) => {
    const limits = { ...(whole(v.rpm, 'rpm') && { rpm: whole(v.rpm, 'rpm') }), ...(whole(v.burst, 'burst') && { burst: whole(v.burst, 'burst') }) };
    const body = {
      name: v.name.trim(), description: v.description.trim(), price: amount(v.price, 'price'), interval, monthly_credit: amount(v.monthly_credit, 'monthly_credit'), roll_over: roll,
      ...(roll === 'capped' && { roll_over_max: amount(v.roll_over_max, 'roll_over_max') }), ...((of?.limits || Object.keys(limits).length > 0) && { limits }), trial_days: whole(v.trial_days, 'trial_days') ?? 0,
      trial_credit: amount(v.trial_credit || '0', 'trial_credit'),
    };
    await (of ? api(`${path}/${of.id}`, { method: 'PATCH', body }) : api(path, { body, idempotent: token }));
    await client.invalidateQueries({ predicate: (q) => String(q.queryKey[0]).startsWith(path) || q.queryKey[0] === '/api/plans' });
    say(of ? 'The plan is changed.' : 'The plan is made.');
    onClose();
  });
  return (
    <Dialog open wide onClose={onClose} title={of ? `Edit ${of.name}` : 'Make a plan'} note={of ? 'Who has the plan keeps what he has until he changes; name, description and trial are changed for all.' : 'On offer as soon as Stripe knows its price, a second later.'}>
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="Name" {...f.bind('name')} required maxLength={60} autoFocus placeholder="Pro" />
          <Field label="Description" optional {...f.bind('description')} maxLength={200} placeholder="For a small team" />
          <Field label="Price in US dollars" {...f.bind('price')} inputMode="decimal" required placeholder="20" />
          <SelectField label="Paid" value={interval} onChange={setInterval} choices={[{ value: 'month', label: 'Every month' }, { value: 'year', label: 'Every year' }]} />
          <Field label="Credit each month" {...f.bind('monthly_credit')} inputMode="decimal" required placeholder="25" note="In US dollars. It burns before bought credit." />
          <SelectField label="What is left of it at the end of the month" value={roll} onChange={setRoll} choices={[{ value: 'none', label: 'Ends' }, { value: 'all', label: 'Stays' }, { value: 'capped', label: 'Stays, up to an amount' }]} />
          {roll === 'capped' && <Field label="Up to" {...f.bind('roll_over_max')} inputMode="decimal" required placeholder={f.values.monthly_credit ? usd(typedAmount(f.values.monthly_credit) ?? '0') : '50'} />}
          <Field label="Requests per minute" optional {...f.bind('rpm')} inputMode="numeric" note="Of each member, when that is more than the house gives." />
          <Field label="Requests at once" optional {...f.bind('burst')} inputMode="numeric" />
          <Field label="Days of trial" {...f.bind('trial_days')} inputMode="numeric" note="0: none. A team has one trial, ever." />
          <Field label="Credit in the trial" {...f.bind('trial_credit')} inputMode="decimal" />
        </div>
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={f.busy}>{of ? 'Save' : 'Make it'}</Button></DialogFoot>
      </form>
    </Dialog>
  );
}
