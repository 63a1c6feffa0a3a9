// Credit is bought: the amount is chosen here, paid on Stripe's page, and waited for when that leads back.
import { CircleAlert, CircleCheck, LoaderCircle, X } from 'lucide-react';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { api, ApiError, once } from '@/lib/api';
import { useForm, useGet } from '@/lib/hooks';
import { compare, typedAmount, usd } from '@/lib/money';
import { date } from '@/lib/time';
import type { BillingOptions, Payment, SubscriptionNow } from '@/lib/types';
import { Badge, Button, cx } from '@/ui/basic';
import { Field, Problem } from '@/ui/form';
import { Dialog, DialogFoot } from '@/ui/overlay';
import { useMoneyMoved } from './billing-dialogs';

export function TopUpDialog({ options: o, onClose }: { options: BillingOptions; onClose: () => void }) {
  const [pack, choose] = useState(o.packs.includes('25') ? '25' : o.packs[0] ?? '');
  // The same amount asked for again after a failure is the same payment; another amount is another one.
  const tokens = useRef(new Map<string, string>());
  const f = useForm({ amount: '' }, async (v) => {
    const amount = pack || typedAmount(v.amount);
    if (!amount || compare(amount, o.amount_min) < 0 || compare(amount, o.amount_max) > 0) throw new ApiError(422, 'validation_failed', `It must be an amount from ${usd(o.amount_min)} to ${usd(o.amount_max)}.`, 'amount');
    const token = tokens.current.get(amount) ?? once();
    tokens.current.set(amount, token);
    const { url } = await api<{ url: string }>('/api/billing/checkout', { body: { amount }, idempotent: token });
    location.assign(url);
    onClose(); // who comes back by the browser's button finds the page as it was
  });
  const face = (on: boolean) => cx('num h-12 rounded-md border text-lg font-semibold', on ? 'border-brand bg-brand/10 text-brand-ink ring-1 ring-brand' : 'border-line-strong bg-panel hover:bg-sunk');
  return (
    <Dialog open onClose={onClose} title="Top up" note={<>Credit for this team, paid on Stripe's page.{!o.livemode && <> <Badge tone="warn">Test mode: no money moves</Badge></>}</>}>
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <div role="radiogroup" aria-label="Amount" className="grid grid-cols-3 gap-2">
          {o.packs.map((p) => <button key={p} type="button" role="radio" aria-checked={pack === p} onClick={() => choose(p)} className={face(pack === p)}>{usd(p).replace(/\.00$/, '')}</button>)}
          <button type="button" role="radio" aria-checked={!pack} onClick={() => choose('')} className={face(!pack)}>Other</button>
        </div>
        {!pack && <Field label="Amount in US dollars" {...f.bind('amount')} inputMode="decimal" placeholder={o.amount_min} autoFocus required note={`From ${usd(o.amount_min)} to ${usd(o.amount_max)}.`} />}
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={f.busy}>Continue to the payment</Button></DialogFoot>
      </form>
    </Dialog>
  );
}

const faces = { wait: 'border-line bg-panel', good: 'border-good/40 bg-good/5', bad: 'border-bad/40 bg-bad/5' };
function Notice({ tone, title, children, onClose }: { tone: keyof typeof faces; title: string; children?: ReactNode; onClose: () => void }) {
  return (
    <div role="status" className={cx('mb-4 flex items-start gap-3 rounded-lg border px-5 py-4 shadow-card', faces[tone])}>
      {tone === 'wait' ? <LoaderCircle className="mt-0.5 size-5 shrink-0 animate-spin text-brand-ink" aria-hidden /> : tone === 'good' ? <CircleCheck className="mt-0.5 size-5 shrink-0 text-good" aria-hidden /> : <CircleAlert className="mt-0.5 size-5 shrink-0 text-bad" aria-hidden />}
      <div className="min-w-0 flex-1"><p className="font-semibold">{title}</p>{children && <p className="mt-0.5 text-soft">{children}</p>}</div>
      <Button look="quiet" size="icon" aria-label="Dismiss" className="-mr-2 -mt-1" onClick={onClose}><X className="size-4" aria-hidden /></Button>
    </div>
  );
}

// Back from the checkout: of a payment, or of a plan.
export function Returned({ id, onClose }: { id: string; onClose: () => void }) {
  const [plan, isPlan] = useState(false);
  const q = useGet<Payment>(plan ? null : `/api/billing/payments/${encodeURIComponent(id)}`);
  useEffect(() => { if (q.error instanceof ApiError && q.error.status === 404) isPlan(true); }, [q.error]);
  if (plan) return <Subscribed onClose={onClose} />;
  if (q.error && !q.data) return <Notice tone="bad" title="It cannot be told now what came of the payment" onClose={onClose}>{q.error.message}</Notice>;
  return q.data ? <Paid id={id} onClose={onClose} /> : <Notice tone="wait" title="Your payment is being confirmed…" onClose={onClose}>This takes a few seconds.</Notice>;
}

function Subscribed({ onClose }: { onClose: () => void }) {
  const moved = useMoneyMoved();
  const [late, setLate] = useState(false);
  useEffect(() => { const t = setTimeout(() => setLate(true), 60_000); return () => clearTimeout(t); }, []);
  const q = useGet<SubscriptionNow>('/api/billing/subscription', (n) => (n?.subscription?.status === 'pending' ? 1_000 : false));
  const s = q.data?.subscription;
  const status = s?.status;
  useEffect(() => { if (status && status !== 'pending') void moved(); }, [status]); // eslint-disable-line react-hooks/exhaustive-deps
  if (q.data && !s) return <Notice tone="bad" title="This payment is not known here" onClose={onClose}>It may belong to another team: choose that one above the menu.</Notice>;
  if (!s || status === 'pending') return <Notice tone="wait" title={late ? 'Stripe has not told us yet' : 'Your subscription is being confirmed…'} onClose={onClose}>{late ? 'It begins by itself as soon as it has. You can leave this page.' : 'This takes a few seconds.'}</Notice>;
  if (status === 'trialing') return <Notice tone="good" title={`Your trial of ${s.plan?.name ?? 'the plan'} has begun`} onClose={onClose}>Nothing is charged until {s.trial_end ? date(s.trial_end) : 'it ends'}.</Notice>;
  if (status === 'active') return <Notice tone="good" title={`You have ${s.plan?.name ?? 'a plan'} now`} onClose={onClose}>{usd(s.credit.left)} of credit is on your balance, and the receipt under Payments.</Notice>;
  return <Notice tone="bad" title="The subscription has not begun" onClose={onClose}>{s.failure ? `The payment failed: ${s.failure.replace(/_/g, ' ')}.` : 'Nothing was charged.'}</Notice>;
}

// The credit comes with what Stripe tells the server, a moment later.
function Paid({ id, onClose }: { id: string; onClose: () => void }) {
  const moved = useMoneyMoved();
  const [since] = useState(Date.now);
  const [late, setLate] = useState(false);
  useEffect(() => { const t = setTimeout(() => setLate(true), 60_000); return () => clearTimeout(t); }, []);
  const q = useGet<Payment>(`/api/billing/payments/${encodeURIComponent(id)}`, (p) => (!p ? false : p.status === 'pending' ? (p.awaiting || Date.now() - since > 60_000 ? 10_000 : 1_000) : false));
  const p = q.data;
  const status = p?.status;
  useEffect(() => { if (status && status !== 'pending') void moved(); }, [status]); // eslint-disable-line react-hooks/exhaustive-deps
  if (q.error && !p) return <Notice tone="bad" title="This payment is not known here" onClose={onClose}>It may belong to another team: choose that one above the menu.</Notice>;
  if (!p || (p.status === 'pending' && !p.awaiting)) return <Notice tone="wait" title={late ? 'Stripe has not told us yet' : 'Your payment is being confirmed…'} onClose={onClose}>{late ? 'The credit is added by itself as soon as it has. You can leave this page.' : 'This takes a few seconds.'}</Notice>;
  if (p.awaiting) return <Notice tone="wait" title={`${usd(p.amount)} is on its way`} onClose={onClose}>The credit comes when the bank has paid, which takes some days.</Notice>;
  if (p.status === 'failed' || p.status === 'expired') return <Notice tone="bad" title={p.status === 'failed' ? 'The payment failed' : 'The checkout has expired'} onClose={onClose}>{p.failure || 'Nothing was charged.'}</Notice>;
  if (p.status !== 'completed') return <Notice tone="bad" title={p.status === 'refunded' ? 'This payment was refunded' : 'This payment is disputed'} onClose={onClose} />;
  return <Notice tone="good" title={`${usd(p.amount)} was added`} onClose={onClose}>It is on your balance, and the receipt under Payments.</Notice>;
}

export function Canceled({ id, onClose }: { id: string; onClose: () => void }) {
  const plan = !id.startsWith('pay_');
  const q = useGet<Payment>(plan ? null : `/api/billing/payments/${encodeURIComponent(id)}`);
  const sub = useGet<SubscriptionNow>(plan ? '/api/billing/subscription' : null).data?.subscription;
  const again = plan ? sub?.id === id && sub.status === 'pending' && sub.checkout_url : q.data?.status === 'pending' && q.data.checkout_url;
  return <Notice tone="bad" title="The payment was not made" onClose={onClose}>Nothing was charged.{again && <> <a href={again} className="link">Go back to the payment</a></>}</Notice>;
}
