// The team's subscription: what it brings, what comes next, and what can be done about it.
import { ArrowLeftRight, CircleAlert, CircleX, CreditCard, EllipsisVertical, Undo2 } from 'lucide-react';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { api, ApiError, messageOf, once } from '@/lib/api';
import { useGet } from '@/lib/hooks';
import { compare, percentOf, usd } from '@/lib/money';
import { useMay } from '@/lib/session';
import { date } from '@/lib/time';
import type { List, Plan, PlanChange, Subscription, SubscriptionNow, SubscriptionStatus } from '@/lib/types';
import { Badge, Bar, Button, Card, Skeleton, type Tone } from '@/ui/basic';
import { Facts, Money } from '@/ui/data';
import { Problem } from '@/ui/form';
import { say, sayError } from '@/ui/notices';
import { Confirm, Dialog, DialogFoot, Menu } from '@/ui/overlay';
import { useMoneyMoved } from './billing-dialogs';
import { every, limitsOf, PlanCards, priceOf, rollOver } from './plans';

export const path = '/api/billing/subscription';
const states: Record<SubscriptionStatus, [string, Tone]> = {
  pending: ['Not paid yet', 'plain'], expired: ['Not paid', 'plain'], incomplete: ['Waiting for the payment', 'warn'], incomplete_expired: ['Not paid', 'plain'], trialing: ['Trial', 'brand'],
  active: ['Active', 'good'], past_due: ['Past due', 'bad'], unpaid: ['Unpaid', 'bad'], paused: ['Paused', 'warn'], canceled: ['Ended', 'plain'],
};
export const subscriptionStates = Object.entries(states).map(([value, [label]]) => ({ value, label }));
export function SubscriptionState({ of: s }: { of: Pick<Subscription, 'status' | 'cancel_at_period_end'> }) {
  const [name, tone] = states[s.status];
  return <Badge tone={s.cancel_at_period_end && isLive(s) ? 'warn' : tone} dot>{s.cancel_at_period_end && isLive(s) ? 'Ends soon' : name}</Badge>;
}
export const isLive = (s: Pick<Subscription, 'status'>) => !['expired', 'incomplete_expired', 'canceled'].includes(s.status);
const failures: Record<string, string> = { card_declined: 'The card was declined.', authentication_required: 'The bank wants you to confirm the payment.', expired_card: 'The card has expired.', insufficient_funds: 'The card has not enough funds.' };
const inWords = (code: string) => failures[code] ?? (code ? `The payment failed: ${code.replace(/_/g, ' ')}.` : 'The payment failed.');

// Asked for now and then: a renewal brings its credit to whoever looks on.
export function useSubscription(on = true) {
  const q = useGet<SubscriptionNow>(on ? path : null, (n) => (n?.subscription && isLive(n.subscription) ? 5_000 : false));
  const moved = useMoneyMoved();
  const s = q.data?.subscription;
  const mark = s && `${s.status} ${s.period?.start} ${s.credit.left}`;
  const before = useRef(mark);
  useEffect(() => {
    if (before.current && mark && before.current !== mark) void moved();
    before.current = mark;
  }, [mark]); // eslint-disable-line react-hooks/exhaustive-deps
  return q;
}

function useAsk() {
  const client = useQueryClient();
  const moved = useMoneyMoved();
  return async (what: string, body: unknown = {}) => {
    const s = await api<Subscription>(`${path}/${what}`, { body, idempotent: once() });
    client.setQueryData<SubscriptionNow>([path], (n) => ({ trial: n?.trial ?? false, subscription: s }));
    await moved();
    return s;
  };
}

function usePortal() {
  const [busy, set] = useState(false);
  const open = async () => {
    set(true);
    try { location.assign((await api<{ url: string }>('/api/billing/portal', { body: {} })).url); } catch (e) { sayError(e as Error); } finally { set(false); }
  };
  return { busy, open };
}

// Above everything else, where somebody has to do something.
export function PastDue() {
  const may = useMay();
  const s = useGet<SubscriptionNow>(path).data?.subscription;
  const portal = usePortal();
  if (!s || !['past_due', 'unpaid', 'incomplete'].includes(s.status)) return null;
  const until = s.grace_until && new Date(s.grace_until) > new Date() ? s.grace_until : null;
  return (
    <div role="alert" className="mb-4 flex flex-wrap items-start gap-x-4 gap-y-3 rounded-lg border border-bad/40 bg-bad/5 px-5 py-4">
      <CircleAlert className="mt-0.5 size-5 shrink-0 text-bad" aria-hidden />
      <div className="min-w-0 flex-1 basis-64">
        <p className="font-semibold">{s.plan?.name ?? 'Your subscription'} is not paid</p>
        <p className="mt-0.5 text-soft">{inWords(s.failure)} {until ? <>Its limits and what is left of its credit stay until {date(until)}; it ends after that unless it is paid.</> : s.status === 'incomplete' ? 'It begins when the payment is confirmed.' : 'It brings no new credit until it is paid.'}</p>
      </div>
      {may('billing.write') && <div className="flex flex-wrap gap-2">{s.pay_url && <Button look="primary" asChild><a href={s.pay_url}>Pay now</a></Button>}<Button icon={CreditCard} busy={portal.busy} onClick={() => void portal.open()}>Change the card</Button></div>}
    </div>
  );
}

export function SubscriptionCard() {
  const write = useMay()('billing.write');
  const q = useSubscription();
  const plans = useGet<List<Plan>>('/api/plans');
  const [doing, set] = useState<'change' | 'cancel' | null>(null);
  const ask = useAsk();
  const portal = usePortal();
  const s = q.data?.subscription ?? null, offered = plans.data?.data;
  if (!q.data || !offered) return q.error || plans.error ? null : <Skeleton className="mt-4 h-40" />;
  if (!s || !isLive(s)) return offered.length > 0 ? <Offer plans={offered} trial={q.data.trial} ended={s?.status === 'canceled' ? s : null} write={write} /> : null;
  const attempt = (what: string, words: string, body?: unknown) => ask(what, body).then(() => say(words), (e: Error) => sayError(e));
  if (s.status === 'pending') return (
    <Card className="mt-4" title={<span className="flex items-center gap-2">Subscription<SubscriptionState of={s} /></span>}>
      <p className="text-soft">{s.plan ? <><b className="font-semibold text-ink">{s.plan.name}</b> begins when it is paid.</> : 'It begins when it is paid.'}</p>
      {write && <div className="mt-4 flex flex-wrap gap-2">{s.checkout_url && <Button look="primary" asChild><a href={s.checkout_url}>Go on to the payment</a></Button>}<Button onClick={() => void attempt('cancel', 'It is dropped.')}>Drop it</Button></div>}
    </Card>
  );
  const p = s.plan, going = ['active', 'trialing'].includes(s.status), end = s.period?.end;
  const next = (): [string, ReactNode] => {
    if (s.cancel_at_period_end) return ['Ends', end ? date(end) : '—'];
    if (!going) return ['Unpaid since', s.period ? date(s.period.start) : '—'];
    if (s.status === 'trialing') return ['Trial ends', s.trial_end ? <>{date(s.trial_end)}{p && <span className="text-faint">, then {priceOf(p)} {every(p)}</span>}</> : '—'];
    return ['Renews', end && p ? <>{date(end)}<span className="text-faint">, {priceOf(s.next_plan ?? p)} {every(s.next_plan ?? p)}</span></> : '—'];
  };
  return (
    <Card className="mt-4" title={<span className="flex flex-wrap items-center gap-2">Subscription<SubscriptionState of={s} /></span>} action={write && (
      <div className="flex flex-wrap gap-2">
        {s.cancel_at_period_end ? <Button size="sm" icon={Undo2} onClick={() => void attempt('resume', 'It goes on.')}>Keep it</Button> : going && offered.length > 0 && <Button size="sm" icon={ArrowLeftRight} onClick={() => set('change')}>Change the plan</Button>}
        <Button size="sm" icon={CreditCard} busy={portal.busy} onClick={() => void portal.open()}>Card and invoices</Button>
        {!s.cancel_at_period_end && <Menu trigger={<Button look="quiet" size="icon" aria-label="More about the subscription"><EllipsisVertical className="size-4" aria-hidden /></Button>} entries={[{ label: 'Cancel the subscription', icon: CircleX, danger: true, onSelect: () => set('cancel') }]} />}
      </div>)}>
      <div className="grid gap-x-10 gap-y-5 lg:grid-cols-2">
        <div>
          <p className="num text-2xl font-semibold tracking-tight">{p?.name ?? 'A plan'} {p && <span className="text-base font-normal tracking-normal text-soft">{priceOf(p)} {every(p)}</span>}</p>
          <div className="mt-4">
            <div className="mb-1.5 flex flex-wrap items-baseline justify-between gap-x-3"><span className="text-sm text-soft">Included credit left</span><span className="num"><Money of={s.credit.left} className="font-semibold" /> <span className="text-faint">of {usd(s.credit.included)} this month</span></span></div>
            <Bar label="Included credit left" tone="good" percent={percentOf(s.credit.left, compare(s.credit.left, s.credit.included) > 0 ? s.credit.left : s.credit.included)} />
            {p && <p className="mt-1.5 text-sm text-faint">{rollOver(p)}. It burns before what you have bought.</p>}
          </div>
        </div>
        <Facts of={[
          next(), ...(s.next_plan ? [['From then on', <span className="flex flex-wrap items-center gap-x-3">{s.next_plan.name}{write && p && <button type="button" className="link" onClick={() => void attempt('change', `${p.name} stays.`, { plan: p.id })}>Keep {p.name}</button>}</span>] as [string, ReactNode]] : []),
          ...(s.period ? [['This period', `${date(s.period.start)} to ${date(s.period.end)}`] as [string, ReactNode]] : []),
          ...(p && limitsOf(p) ? [['Limits', s.access ? limitsOf(p) : 'as without a plan'] as [string, ReactNode]] : []),
        ]} />
      </div>
      {s.cancel_at_period_end && <p className="mt-4 text-soft">It goes on until {end ? date(end) : 'its period ends'}. Then what is left of its credit expires; bought credit stays.</p>}
      {doing === 'change' && p && <ChangeDialog of={s} plan={p} plans={offered} onClose={() => set(null)} />}
      <Confirm open={doing === 'cancel'} onClose={() => set(null)} title={`Cancel ${p?.name ?? 'the subscription'}?`} back="Keep it" action="Cancel the subscription" onConfirm={async () => { await ask('cancel'); say('It is canceled.'); }}>
        {going && end ? <>Nothing more is charged. It goes on until {date(end)}; then what is left of its credit ({usd(s.credit.left)} now) expires. Bought credit stays. Until then you can change your mind.</> : <>Nothing more is charged. What is left of its credit expires; bought credit stays.</>}
      </Confirm>
    </Card>
  );
}

function Offer({ plans, trial, ended, write }: { plans: Plan[]; trial: boolean; ended: Subscription | null; write: boolean }) {
  const [busy, set] = useState('');
  const start = async (p: Plan) => {
    set(p.id);
    try { location.assign((await api<{ url: string }>(path, { body: { plan: p.id }, idempotent: once() })).url); } catch (e) { sayError(e as Error); } finally { set(''); }
  };
  return (
    <section className="mt-4" aria-label="Plans">
      <h2 className="text-base font-semibold">Plans</h2>
      <p className="mb-3 mt-0.5 text-sm text-faint">{ended?.ended_at ? `${ended.plan?.name ?? 'Your subscription'} ended on ${date(ended.ended_at)}. ` : ''}A plan brings credit each month; what you buy beside it stays. You can cancel at any time.</p>
      <PlanCards plans={plans} trial={trial}>{(p) => write && <Button look="primary" className="w-full" busy={busy === p.id} disabled={busy !== ''} aria-label={`Subscribe to ${p.name}`} onClick={() => void start(p)}>{trial && p.trial_days > 0 ? `Try ${p.trial_days} days free` : 'Subscribe'}</Button>}</PlanCards>
    </section>
  );
}

// What happens to price and credit is said before anything does.
function words(c: PlanChange, from: Plan): ReactNode {
  const price = <>{usd(c.plan.price)} {every(c.plan)}</>;
  if (c.when === 'period_end') return <>Nothing is charged now, and nothing is taken: {from.name} goes on until <b>{date(c.at)}</b>. From then on it is {price} with {usd(c.plan.monthly_credit)} of credit each month.</>;
  return <><b>{usd(c.amount_due)}</b> {compare(c.amount_due, '0') > 0 ? 'is charged now, the difference for what is left of the period,' : 'is charged now,'} and <b>{usd(c.credit_now)}</b> of credit is added at once. The next renewal is {price} with {usd(c.plan.monthly_credit)} of credit each month.</>;
}

function ChangeDialog({ of: s, plan, plans, onClose }: { of: Subscription; plan: Plan; plans: Plan[]; onClose: () => void }) {
  const [to, choose] = useState<Plan | null>(null);
  const [preview, show] = useState<PlanChange | null>(null);
  const [busy, set] = useState('');
  const [error, fail] = useState('');
  const ask = useAsk();
  const portal = usePortal();
  const [declined, decline] = useState(false);
  const run = async (key: string, work: () => Promise<void>) => {
    set(key);
    fail('');
    decline(false);
    try { await work(); } catch (e) { fail(messageOf(e)); decline(e instanceof ApiError && e.status === 402); } finally { set(''); }
  };
  const look = (p: Plan) => run(p.id, async () => { show(await api<PlanChange>(`${path}/preview`, { body: { plan: p.id } })); choose(p); });
  const change = () => run('change', async () => { await ask('change', { plan: to!.id }); say(preview!.when === 'now' ? `You have ${to!.name} now.` : `${to!.name} comes with the next renewal.`); onClose(); });
  if (to && preview) return (
    <Dialog open onClose={onClose} title={`Change to ${to.name}?`}>
      <p className="text-soft [&_b]:font-semibold [&_b]:text-ink">{words(preview, plan)}</p>
      {error && <div className="mt-4"><Problem>{error}{declined && <> Nothing was changed. <button type="button" className="underline" onClick={() => void portal.open()}>Change the card</button></>}</Problem></div>}
      <DialogFoot><Button onClick={() => { choose(null); fail(''); }}>Back</Button><Button look="primary" busy={busy === 'change'} onClick={() => void change()}>{preview.when === 'now' ? `Pay ${usd(preview.amount_due)} and change` : `Change on ${date(preview.at)}`}</Button></DialogFoot>
    </Dialog>
  );
  return (
    <Dialog open wide onClose={onClose} title="Change the plan" note="What it costs and brings is shown before anything happens.">
      <div className="space-y-4">
        <Problem>{error}</Problem>
        <PlanCards plans={plans} trial={false} mine={plan.id}>{(p) => (p.id === plan.id ? <p className="text-sm text-faint">{s.next_plan ? `Until ${s.period ? date(s.period.end) : 'it renews'}` : 'This is what you have.'}</p> : <Button className="w-full" busy={busy === p.id} disabled={busy !== ''} aria-label={`Choose ${p.name}`} onClick={() => void look(p)}>Choose</Button>)}</PlanCards>
      </div>
    </Dialog>
  );
}
