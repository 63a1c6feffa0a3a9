// Random lives of subscriptions: begun, renewed, not paid, changed, canceled, refunded, their events
// doubled and swapped, the server killed; held against a model that sees Stripe's invoices alone, in
// the order in which they were paid. TOLLGATE_LIVES, TOLLGATE_SEED.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { House, STRIPE_SECRET, until } from './lib/house.mjs';
import { idle, Person, QUICK, written } from './lib/people.mjs';

const LIVES = Number(process.env.TOLLGATE_LIVES ?? 24), STEPS = 6, AT_ONCE = 24;
const SEED = Number(process.env.TOLLGATE_SEED ?? Date.now() % 1e9);
const DAY = 86400, NANO = 1000000000n, CENT = NANO / 100n;

// mulberry32
let state = SEED >>> 0;
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(random() * n);
const chance = (p) => random() < p;
const pick = (list) => list[below(list.length)];
const counts = { lives: 0, steps: 0, kills: 0, begun: 0, invoices: 0, declined: 0, changes: 0, cancels: 0, refunds: 0 };

const offers = [
  { name: 'None', price: '20', monthly_credit: '20' },
  { name: 'All', price: '30', monthly_credit: '36', roll_over: 'all' },
  { name: 'Capped', price: '50', monthly_credit: '60', roll_over: 'capped', roll_over_max: '15' },
  { name: 'Tried', price: '10', monthly_credit: '9', trial_days: 14, trial_credit: '2' },
];
const nano = (text) => BigInt(Math.round(Number(text) * 100)) * CENT;

// A month before, by the calendar.
function monthBefore(s) {
  const d = new Date(s * 1000), day = d.getUTCDate();
  d.setUTCDate(1);
  d.setUTCMonth(d.getUTCMonth() - 1);
  d.setUTCDate(Math.min(day, new Date(Date.UTC(d.getUTCFullYear(), d.getUTCMonth() + 1, 0)).getUTCDate()));
  return d.getTime() / 1000;
}

// What one subscription's credit comes to.
class Model {
  lots = []; // {invoice, start, amount, left, taken, paid, refunded}
  seen = new Set();

  see(invoices, plans) {
    for (const i of invoices.filter((x) => x.status === 'paid' && !this.seen.has(x.id))) {
      this.seen.add(i.id);
      counts.invoices++;
      this.paid(i, i.lines.data.map((l) => ({ ...l, plan: plans.get(l.pricing.price_details.price), part: l.parent.subscription_item_details.proration })));
    }
  }

  paid(invoice, lines) {
    let credit = 0n, start = 0;
    const full = lines.find((l) => !l.part);
    for (const l of lines.filter((x) => x.part)) {
      const all = l.period.end - monthBefore(l.period.end), left = l.period.end - l.period.start;
      const share = nano(l.plan.monthly_credit) * BigInt(Math.min(left, all)) / BigInt(all);
      credit += l.amount < 0 ? -share : share;
      start = l.period.start;
    }
    if (full?.amount === 0) {
      this.lots.push({ invoice: invoice.id, trial: true, left: nano(full.plan.trial_credit) });
      return;
    }
    if (full) {
      credit += nano(full.plan.monthly_credit);
      this.keep(full.plan);
      start = full.period.start;
    }
    const amount = credit <= 0n ? 0n : (credit + CENT - 1n) / CENT * CENT;
    this.lots.push({ invoice: invoice.id, start, amount, left: amount, taken: 0n, paid: invoice.amount_paid, refunded: 0 });
  }

  keep(plan) {
    this.lots = this.lots.filter((l) => !l.trial);
    let over = this.lots.reduce((n, l) => n + l.left, 0n) - (plan.roll_over === 'all' ? 1n << 60n : plan.roll_over === 'capped' ? nano(plan.roll_over_max) : 0n);
    for (const l of this.lots) {
      if (over <= 0n) break;
      const gone = l.left < over ? l.left : over;
      l.left -= gone;
      over -= gone;
    }
  }

  refund(invoice, cents) {
    const l = this.lots.find((x) => x.invoice === invoice);
    l.refunded += cents;
    const want = l.amount * BigInt(l.refunded) / BigInt(l.paid) - l.taken, gone = want < l.left ? want : l.left;
    l.left -= gone;
    l.taken += gone;
  }

  end = () => { this.lots = []; };
  left = () => this.lots.reduce((n, l) => n + l.left, 0n);
}

class Life {
  constructor(world) { Object.assign(this, world); }

  get = (path) => this.person.get(path);
  subscription = async () => (await this.get('/api/billing/subscription')).json.subscription;
  invoices = async () => (await this.stripe('GET', `invoices?limit=100&subscription=${this.id}`)).data.reverse();

  async begin() {
    const plan = pick(this.offered);
    const r = await this.person.post('/api/billing/subscription', { plan: plan.id });
    assert.equal(r.status, 201, r.text);
    await fetch(`${this.house.sandbox.url}/stripe/checkout/${r.json.session_id}/pay`, { method: 'POST', redirect: 'manual' });
    this.id = (await this.stripe('GET', `checkout/sessions/${r.json.session_id}`)).subscription;
    this.model = new Model();
    counts.begun++;
  }

  card = async (phase) => this.house.sandbox.stripe(`card/${(await this.stripe('GET', `subscriptions/${this.id}`)).customer}`, { phase });

  async act() {
    const x = await this.subscription();
    if (!x || ['canceled', 'expired', 'incomplete_expired'].includes(x.status)) return this.begin();
    const what = pick(['nothing', 'nothing', 'nothing', 'declined', 'good', 'good', 'cancel', 'resume', 'change', 'change', 'refund', 'refund', 'refund', 'end']);
    if (what === 'declined') { counts.declined++; await this.card('declined'); }
    if (what === 'good') {
      await this.card('good');
      if (x.pay_url) await fetch(`${x.pay_url}/pay`, { method: 'POST', redirect: 'manual' });
    }
    if (what === 'cancel' || what === 'resume') { counts.cancels++; await this.person.post(`/api/billing/subscription/${what}`); }
    if (what === 'change') { counts.changes++; await this.person.post('/api/billing/subscription/change', { plan: pick(this.offered).id }); }
    if (what === 'end' && chance(0.3)) await this.operator.post(`/api/admin/subscriptions/${x.id}/cancel`, { now: true });
    if (what === 'refund') await this.refund();
  }

  async refund() {
    const mine = (await this.get('/api/billing/payments?limit=100')).json.data.filter((p) => p.status === 'completed' && Number(p.paid) > 0 && Number(p.amount) > 0);
    const invoices = new Map();
    for (const p of mine) {
      const { payment_intent, refunds } = (await this.operator.get(`/api/admin/payments/${p.id}`)).json;
      invoices.set(payment_intent, { p, left: Math.round((Number(p.paid) - refunds.reduce((n, r) => n + Number(r.amount), 0)) * 100) });
    }
    const open = [...invoices].filter(([, v]) => v.left > 0);
    if (!open.length) return;
    const [intent, { left }] = pick(open), cents = chance(0.3) ? left : 1 + below(left);
    for (const i of await this.invoices()) {
      const full = await this.stripe('GET', `invoices/${i.id}?expand[]=payments.data.payment.payment_intent`);
      if (full.payments.data[0]?.payment.payment_intent.id !== intent) continue;
      this.model.see(await this.invoices(), this.prices);
      await this.stripe('POST', 'refunds', { payment_intent: intent, amount: cents });
      this.model.refund(i.id, cents);
      counts.refunds++;
    }
  }

  // What Stripe has, and what we have.
  async check(when) {
    if (!this.id) return;
    const there = await this.stripe('GET', `subscriptions/${this.id}`), here = await this.subscription();
    this.model.see(await this.invoices(), this.prices);
    if (['canceled', 'incomplete_expired'].includes(there.status)) this.model.end();
    const told = `${when}: ${JSON.stringify(here)} ${JSON.stringify(there)}`;
    assert.equal(here.status, there.status, told);
    assert.equal(here.cancel_at_period_end, there.cancel_at_period_end, told);
    const balance = BigInt(Math.round(Number((await this.get('/api/billing/balance')).json.balance) * 1e9)) - 10n * NANO;
    const off = balance - this.model.left();
    assert.ok(off > -100n && off < 100n, `${when}: ${balance} is left, ${this.model.left()} should be: ${JSON.stringify(this.model.lots, (k, v) => (typeof v === 'bigint' ? String(v) : v))} ${told}`);
    for (const p of (await this.get('/api/billing/payments?limit=100')).json.data) assert.equal(p.owed, '0', JSON.stringify(p));
  }
}

test(`${LIVES} lives of subscriptions, seed ${SEED}`, async (t) => {
  const house = await House.start({ mail: true, stripe: true, config: ['subscription_grace = 1h', ...QUICK] });
  house.keep(STRIPE_SECRET);
  try {
    const stripe = (method, path, form) => fetch(`${house.sandbox.url}/stripe/v1/${path}`, {
      method, headers: { authorization: 'Bearer sk_test_me' }, body: form && new URLSearchParams(form),
    }).then((r) => r.json());
    const operator = new Person(house);
    house.keep((await house.json('admin', 'user', 'create', '--email', operator.email, '--operator')).api_key);
    await operator.post('/api/auth/forgot', { email: operator.email });
    await operator.post('/api/auth/reset', { token: (await operator.mail('/reset')).token, password: operator.password });
    await operator.login();
    for (const o of offers) assert.equal((await operator.post('/api/admin/plans', o)).status, 201);
    const offered = await until('the plans', async () => {
      const { data } = await (await fetch(`${house.url}/api/plans`)).json();
      return data.length === offers.length && data;
    });
    const prices = new Map((await stripe('GET', 'prices?limit=100')).data.map((p) => [p.id, offered.find((o) => o.id === p.metadata.plan_id)]));
    const worked = () => until('everything to be worked on', async () => {
      if ((await (await fetch(`${house.sandbox.url}/sandbox/stripe`)).json()).waiting) return false;
      return idle(operator, 'stripe_event', 'stripe_invoice', 'stripe_subscription');
    }, 60000);
    const quiet = async () => {
      if (chance(0.4)) {
        counts.kills++;
        await house.halt('SIGKILL');
        await house.serve();
      }
      await worked();
      await written(operator);
    };
    await house.sandbox.stripe('settings', { duplicate_percent: 30, reorder_percent: 20 });
    while (counts.lives < LIVES) {
      const lives = [];
      for (let i = 0; i < AT_ONCE && counts.lives < LIVES; i++, counts.lives++) {
        const life = new Life({ house, operator, stripe, offered, prices });
        life.person = await new Person(house).signUp();
        lives.push(life);
      }
      for (let step = 0; step < STEPS; step++) {
        counts.steps++;
        for (const l of lives) await l.act();
        await quiet();
        for (const l of lives) await l.check(`step ${step}, acted`);
        await house.sandbox.stripe('clock/all', { by: (1 + below(33)) * DAY });
        await quiet();
        for (const l of lives) await l.check(`step ${step}, later`);
      }
    }
    assert.equal((await house.verify()).ok, true);
    console.log(`# seed ${SEED}: ${JSON.stringify(counts)}`);
    t.diagnostic(`seed ${SEED}: ${JSON.stringify(counts)}`);
  } finally {
    await house.stop();
  }
});
