// Plans are subscribed to through the sandbox's Stripe: the product's client, jobs and events are the
// real ones, and the sandbox's clock is moved as the tests want it.
import { test, before, after, describe } from 'node:test';
import assert from 'node:assert/strict';
import Stripe from 'stripe';
import { House, STRIPE_SECRET, startUpstream, until } from './lib/house.mjs';
import { Person, QUICK } from './lib/people.mjs';
import { heldAgainstSpec, noSpec } from './lib/stripe-spec.mjs';

const library = new Stripe('sk_test_sandbox');
const DAY = 86400, MONTH = 32 * DAY;
const GRACE = '3s';
let house, operator, proxy, receiver, asked = [];
const plans = {};

before(async () => {
  // Between the house and the sandbox, to see what is asked.
  proxy = await startUpstream(async (rq, rs, body) => {
    if (!house) {
      rs.writeHead(503, { 'content-type': 'application/json' });
      rs.end('{}');
      return;
    }
    asked.push({ method: rq.method, path: rq.url, headers: rq.headers, body: body.toString() });
    const r = await fetch(`${house.sandbox.url}/stripe${rq.url}`, {
      method: rq.method, headers: { authorization: rq.headers.authorization ?? '',
        ...(rq.headers['idempotency-key'] ? { 'idempotency-key': rq.headers['idempotency-key'] } : {}) },
      body: rq.method === 'GET' ? undefined : body,
    });
    rs.writeHead(r.status, { 'content-type': 'application/json' });
    rs.end(await r.text());
  });
  receiver = await startUpstream((rq, rs) => rs.end('ok'));
  house = await House.start({ mail: true, limited: true, stripe: proxy.url, config: [`subscription_grace = ${GRACE}`, ...QUICK,
    '[webhooks]', 'private_allowed = yes', '[limits]', 'user_rpm = 60', 'user_burst = 10', 'tier_balance = 0',
    '[openrouter]', 'provider = main', 'provisioning_key = sandbox-management', 'check_every = 1h'] });
  house.keep(STRIPE_SECRET);
  await house.sandbox.stripe('settings', { webhook: `${house.url}/api/stripe/webhook`, secret: STRIPE_SECRET });
  operator = await makeOperator();
  await plan('basic', { name: 'Basic', price: '20', monthly_credit: '20' });
  await plan('pro', { name: 'Pro', price: '50', monthly_credit: '60', limits: { rpm: 600, burst: 50 }, roll_over: 'capped', roll_over_max: '15' });
  await plan('keeper', { name: 'Keeper', price: '30', monthly_credit: '30', roll_over: 'all' });
  await plan('yearly', { name: 'Yearly', price: '240', monthly_credit: '25', interval: 'year' });
  await plan('trial', { name: 'Trial', price: '10', monthly_credit: '10', trial_days: 14, trial_credit: '2' });
});
after(async () => { await house?.stop(); await proxy?.stop(); await receiver?.stop(); });

async function makeOperator() {
  const p = new Person(house);
  house.keep((await house.json('admin', 'user', 'create', '--email', p.email, '--operator')).api_key);
  await p.post('/api/auth/forgot', { email: p.email });
  await p.post('/api/auth/reset', { token: (await p.mail('/reset')).token, password: p.password });
  await p.login();
  return p;
}
async function plan(key, body) {
  const r = await operator.post('/api/admin/plans', body);
  assert.equal(r.status, 201, r.text);
  plans[key] = r.json.id;
  return ready(r.json.id);
}
const ready = (id, version) => until('Stripe to have the price', async () => {
  const x = (await operator.get(`/api/admin/plans/${id}`)).json;
  return x.ready && (!version || x.version === version) ? x : null;
});
const stripe = (method, path, form) => fetch(`${house.sandbox.url}/stripe/v1/${path}`, {
  method, headers: { authorization: 'Bearer sk_test_me' }, body: form && new URLSearchParams(form),
}).then((r) => r.json());

const customer = async () => new Person(house).signUp();
const subscription = async (p) => (await p.get('/api/billing/subscription')).json.subscription;
const is = (p, what, wanted) => until(what, async () => {
  const x = await subscription(p);
  return x && wanted(x) ? x : null;
});
const click = async (path, how) => {
  const r = await fetch(`${house.sandbox.url}/stripe/${path}/${how}`, { method: 'POST', redirect: 'manual' });
  assert.equal(r.status, 303, `${path} ${how}`);
  return r.headers.get('location');
};
const open = async (p, key) => {
  const r = await p.post('/api/billing/subscription', { plan: plans[key] });
  assert.equal(r.status, 201, r.text);
  return r.json;
};
async function subscribed(p, key, status = 'active') {
  const o = await open(p, key);
  await click(`checkout/${o.session_id}`, 'pay');
  await is(p, status, (x) => x.status === status);
  await settled();
  return stripeId(p);
}
const stripeId = async (p) => {
  const x = await subscription(p);
  return (await operator.get(`/api/admin/subscriptions/${x.id}`)).json.stripe_id;
};
// Nothing is under way: neither at Stripe nor here.
const settled = () => until('everything to be worked on', async () => {
  const s = await (await fetch(`${house.sandbox.url}/sandbox/stripe`)).json();
  if (s.waiting) return false;
  for (const kind of ['stripe_event', 'stripe_subscription', 'stripe_invoice'])
    for (const state of ['scheduled', 'running', 'retrying'])
      if ((await operator.get(`/api/admin/jobs?kind=${kind}&state=${state}&limit=1`)).json.data.length) return false;
  return true;
}, 20000);
const clock = async (by) => {
  await house.sandbox.stripe('clock/all', { by });
  await settled();
};
const card = async (p, phase) => house.sandbox.stripe(`card/${(await stripe('GET', `subscriptions/${await stripeId(p)}`)).customer}`, { phase });
const balance = async (p) => Number((await p.get('/api/billing/balance')).json.balance) - 10; // less the welcome
const lots = async (p) => (await p.get('/api/billing/lots')).json.data.filter((l) => l.kind === 'subscription');
const payments = async (p) => (await p.get('/api/billing/payments')).json.data;

describe('a plan', () => {
  test('is on offer, for everybody', async () => {
    const r = await (await fetch(`${house.url}/api/plans`)).json();
    assert.deepEqual(r.data.map((x) => x.name), ['Trial', 'Basic', 'Keeper', 'Pro', 'Yearly']);
    assert.deepEqual(r.data[3], { id: plans.pro, name: 'Pro', description: '', price: '50', currency: 'usd', interval: 'month', monthly_credit: '60',
      roll_over: 'capped', roll_over_max: '15', limits: { rpm: 600, burst: 50 }, trial_days: 0, trial_credit: '0' });
  });
});

describe('subscribed', () => {
  test('the page, the events, the credit, the receipt; the clock moves a month, the credit renews', async () => {
    const p = await customer();
    assert.deepEqual((await p.get('/api/billing/subscription')).json, { subscription: null, trial: true });
    const o = await open(p, 'basic');
    assert.match(await (await fetch(o.url)).text(), /20\.00.*month/s);
    assert.equal((await subscription(p)).status, 'pending');
    assert.equal(await click(`checkout/${o.session_id}`, 'pay'), `${house.url}/billing?session_id=${o.session_id}`);
    const x = await is(p, 'active', (s) => s.status === 'active' && s.credit.left === '20');
    assert.deepEqual([x.plan.name, x.access, x.next_plan, x.cancel_at_period_end, x.user.email], ['Basic', true, null, false, p.email]);
    assert.deepEqual(x.credit, { included: '20', left: '20' });
    await settled();
    assert.equal(await balance(p), 20);
    const [lot] = await lots(p);
    assert.deepEqual([lot.amount, lot.priority, lot.source], ['20', 10, 'stripe_clearing']);
    assert.equal(new Date(lot.expires_at) - new Date(x.period.end), 3000);
    const [paid] = await payments(p);
    assert.deepEqual([paid.kind, paid.status, paid.amount, paid.paid], ['subscription', 'completed', '20', '20']);
    assert.match(paid.description, /^Basic, 20\d\d-\d\d-\d\d to 20/);
    const [receipt] = (await p.get('/api/billing/invoices')).json.data;
    assert.deepEqual([receipt.kind, receipt.payment_id, receipt.total], ['receipt', paid.id, '20']);
    await clock(MONTH);
    assert.equal(await balance(p), 20, 'what was left has expired, another month was given');
    assert.equal((await payments(p)).length, 2);
    const y = await subscription(p);
    assert.equal(y.period.start, x.period.end);
    assert.ok((await p.get('/api/billing/transactions?kind=expiry')).json.data.some((t) => t.amount === '-20'));
  });
});

describe('begun', () => {
  test('one checkout at a time, one subscription', async () => {
    const p = await customer();
    const a = await open(p, 'basic');
    assert.deepEqual(await open(p, 'basic'), a, 'the same page');
    const b = await open(p, 'pro');
    assert.notEqual(b.id, a.id);
    assert.equal((await stripe('GET', `checkout/sessions/${a.session_id}`)).status, 'expired', 'nobody is to pay for both');
    await click(`checkout/${b.session_id}`, 'fail'); // another card is tried
    assert.equal((await subscription(p)).status, 'pending');
    await click(`checkout/${b.session_id}`, 'pay');
    await is(p, 'active', (x) => x.status === 'active' && x.plan.name === 'Pro');
    for (const key of ['basic', 'pro']) assert.equal((await p.post('/api/billing/subscription', { plan: plans[key] })).status, 409);
  });
  test('a page that is closed; a checkout that is given up; the same key again', async () => {
    const p = await customer();
    const a = await open(p, 'basic');
    await click(`checkout/${a.session_id}`, 'close');
    await is(p, 'expired', (x) => x.status === 'expired' && !x.checkout_url);
    const b = await open(p, 'basic');
    assert.equal((await p.post('/api/billing/subscription/cancel')).json.status, 'expired');
    assert.equal((await stripe('GET', `checkout/sessions/${b.session_id}`)).status, 'expired');
    const headers = { 'idempotency-key': 'mine' };
    const c = await p.post('/api/billing/subscription', { plan: plans.basic }, { headers });
    const d = await p.post('/api/billing/subscription', { plan: plans.basic }, { headers });
    assert.deepEqual([c.status, d.json], [201, c.json]);
    assert.equal((await p.post('/api/billing/subscription', { plan: plans.pro }, { headers })).status, 422);
  });
  test('who may, and what is refused', async () => {
    const p = await customer();
    for (const [body, status] of [[{}, 400], [{ plan: 5 }, 400], [{ plan: 'plan_nobody' }, 404], [{ plan: plans.basic, coupon: 'x' }, 400]])
      assert.equal((await p.post('/api/billing/subscription', body)).status, status, JSON.stringify(body));
    for (const path of ['change', 'preview']) assert.equal((await p.post(`/api/billing/subscription/${path}`, { plan: plans.pro })).status, 409, path);
    for (const path of ['cancel', 'resume']) assert.equal((await p.post(`/api/billing/subscription/${path}`)).status, 409, path);
    assert.equal((await p.post('/api/billing/portal')).status, 409, 'no customer yet');
    assert.equal((await fetch(`${house.url}/api/billing/subscription`)).status, 401);
    for (const path of ['plans', 'subscriptions']) assert.equal((await p.get(`/api/admin/${path}`)).status, 404);
    const r = await house.fetch('/api/billing/subscription', { body: { plan: plans.basic } });
    assert.equal(r.status, 201, 'a key may open the page, as for a top-up');
    assert.equal((await house.fetch('/api/billing/subscription/cancel', { body: {} })).status, 403);
  });
  test('Stripe does not answer: tried again with the same key, it is the same page', async () => {
    const p = await customer();
    const headers = { 'idempotency-key': 'again' };
    await house.sandbox.stripe('settings', { fail_status: 500, fail_times: 1, fail_after: true });
    assert.equal((await p.post('/api/billing/subscription', { plan: plans.basic }, { headers })).status, 503);
    const r = await p.post('/api/billing/subscription', { plan: plans.basic }, { headers });
    assert.equal(r.status, 201, r.text);
  });
});

describe('the tier', () => {
  test('holds at once, and is taken away at the end', async () => {
    const p = await customer();
    const key = house.keep((await p.post('/api/keys', { name: 'k' })).json.api_key);
    const limit = async () => Number((await house.fetch('/v1/chat/completions', { key, body: { model: 'sandbox/echo', messages: [{ role: 'user', content: 'x' }] } })).headers.get('x-ratelimit-limit-requests'));
    assert.equal(await limit(), 10);
    await subscribed(p, 'pro');
    assert.equal(await limit(), 50);
    const id = (await subscription(p)).id;
    assert.equal((await operator.post(`/api/admin/subscriptions/${id}/cancel`, { now: true })).status, 202);
    assert.equal((await subscription(p)).status, 'canceled');
    assert.equal(await limit(), 10);
  });
});

describe('changed', () => {
  test('to a dearer plan: at once, the difference of price and credit for what is left', async () => {
    const p = await customer();
    await subscribed(p, 'basic');
    await clock(10 * DAY);
    const preview = await p.post('/api/billing/subscription/preview', { plan: plans.pro });
    assert.equal(preview.status, 200, preview.text);
    const { when, amount_due, credit_now } = preview.json;
    assert.equal(when, 'now');
    assert.ok(Number(amount_due) > 19 && Number(amount_due) < 22, amount_due); // 30 for two thirds of a month
    assert.ok(Number(credit_now) > 25 && Number(credit_now) < 28, credit_now); // 40 for it
    const before = await balance(p);
    const r = await p.post('/api/billing/subscription/change', { plan: plans.pro });
    assert.equal(r.status, 200, r.text);
    const x = await is(p, 'Pro', (s) => s.plan.name === 'Pro');
    assert.deepEqual([x.status, x.next_plan, x.plan.limits], ['active', null, { rpm: 600, burst: 50 }]);
    await settled();
    assert.equal(Math.round((await balance(p) - before) * 100), Math.round(Number(credit_now) * 100));
    const [paid] = await payments(p);
    assert.equal(paid.paid, amount_due);
    assert.match(paid.description, /^Change to Pro/);
    await clock(25 * DAY); // the renewal: capped at 15 of what was left of all that
    assert.equal(await balance(p), 75);
  });
  test('to a plan that is not dearer: with the next period, and it can be taken back', async () => {
    const p = await customer();
    await subscribed(p, 'pro');
    const preview = (await p.post('/api/billing/subscription/preview', { plan: plans.basic })).json;
    assert.deepEqual([preview.when, preview.amount_due, preview.credit_now, preview.plan.name], ['period_end', '0', '0', 'Basic']);
    const r = await p.post('/api/billing/subscription/change', { plan: plans.basic });
    assert.deepEqual([r.json.plan.name, r.json.next_plan.name], ['Pro', 'Basic'], r.text);
    assert.equal((await p.post('/api/billing/subscription/change', { plan: plans.pro })).json.next_plan, null);
    assert.equal((await p.post('/api/billing/subscription/change', { plan: plans.pro })).status, 409, 'it has that one');
    assert.equal((await p.post('/api/billing/subscription/change', { plan: plans.basic })).json.next_plan.name, 'Basic');
    assert.equal((await payments(p)).length, 1, 'nothing was charged');
    await clock(MONTH);
    const x = await subscription(p);
    assert.deepEqual([x.plan.name, x.next_plan, x.plan.limits], ['Basic', null, null]);
    assert.equal((await payments(p))[0].paid, '20');
    assert.equal(await balance(p), 20, 'Basic keeps nothing of what was before');
  });
  test('a card that is declined changes nothing', async () => {
    const p = await customer();
    await subscribed(p, 'basic');
    await card(p, 'declined');
    const before = [await subscription(p), await balance(p)];
    const r = await p.post('/api/billing/subscription/change', { plan: plans.pro });
    assert.deepEqual([r.status, r.json.error.code], [402, 'payment_failed']);
    await settled();
    assert.deepEqual([await subscription(p), await balance(p)], before);
    await card(p, 'good');
    assert.equal((await p.post('/api/billing/subscription/change', { plan: plans.pro })).status, 200);
    assert.equal((await p.post('/api/billing/subscription/change', { plan: 'plan_none' })).status, 404);
  });
  test('from monthly to yearly at once, not the other way', async () => {
    const p = await customer();
    await subscribed(p, 'basic');
    const { when, amount_due } = (await p.post('/api/billing/subscription/preview', { plan: plans.yearly })).json;
    assert.deepEqual([when, Math.round(Number(amount_due))], ['now', 220]);
    await p.post('/api/billing/subscription/change', { plan: plans.yearly });
    const x = await is(p, 'Yearly', (s) => s.plan.name === 'Yearly');
    assert.ok(new Date(x.period.end) - new Date(x.period.start) > 360 * DAY * 1000);
    await settled();
    assert.ok(Math.abs(await balance(p) - 25) < 0.02, 'what is left of 20, and what 25 are more');
    assert.equal((await p.post('/api/billing/subscription/change', { plan: plans.basic })).status, 409);
  });
  test('canceled with the period, resumed, and over: included credit goes, bought credit stays', async () => {
    const p = await customer();
    const o = (await p.post('/api/billing/checkout', { amount: '5' })).json;
    await click(`checkout/${o.session_id}`, 'pay');
    await subscribed(p, 'keeper');
    const mails = (await p.mails()).length;
    assert.equal((await p.post('/api/billing/subscription/cancel')).json.cancel_at_period_end, true);
    assert.equal((await p.post('/api/billing/subscription/change', { plan: plans.pro })).status, 409, 'it is about to end');
    assert.equal((await p.post('/api/billing/subscription/resume')).json.cancel_at_period_end, false);
    assert.equal((await p.post('/api/billing/subscription/resume')).status, 409);
    assert.equal((await p.post('/api/billing/subscription/cancel')).status, 200);
    assert.equal(await balance(p), 35);
    await clock(MONTH);
    const x = await subscription(p);
    assert.deepEqual([x.status, x.access, x.credit.left], ['canceled', false, '0']);
    assert.ok(x.ended_at);
    assert.equal(await balance(p), 5);
    await until('the mail', async () => (await p.mails()).length > mails);
    assert.equal((await p.mails()).filter((m) => m.subject === 'Your subscription has ended').length, 1);
    assert.equal((await p.post('/api/billing/subscription', { plan: plans.basic })).status, 201, 'another one may begin');
  });
});

describe('rolled over', () => {
  test('nothing, all of it, or so much', async () => {
    const [none, all, capped] = [await customer(), await customer(), await customer()];
    await subscribed(none, 'basic');
    await subscribed(all, 'keeper');
    await subscribed(capped, 'pro');
    const now = async () => [await balance(none), await balance(all), await balance(capped)];
    assert.deepEqual(await now(), [20, 30, 60]);
    await clock(MONTH);
    assert.deepEqual(await now(), [20, 60, 75]);
    await clock(2 * MONTH); // two renewals at once
    assert.deepEqual(await now(), [20, 120, 75]);
    assert.ok((await lots(all)).every((l) => l.expires_at === null));
  });
});

describe('tried', () => {
  test('credit to try it with, a mail before it ends, then it is paid; once', async () => {
    const p = await customer();
    await subscribed(p, 'trial', 'trialing');
    const x = await subscription(p);
    assert.deepEqual([x.plan.name, x.access, x.credit, x.trial_end], ['Trial', true, { included: '2', left: '2' }, x.period.end]);
    assert.equal(await balance(p), 2);
    assert.equal((await payments(p)).length, 0);
    await clock(12 * DAY);
    await until('the mail', async () => (await p.mails()).some((m) => m.subject === 'Your trial ends soon'));
    await clock(3 * DAY);
    assert.deepEqual([(await subscription(p)).status, await balance(p)], ['active', 10]);
    assert.equal((await payments(p)).length, 1);
    const id = (await subscription(p)).id;
    await operator.post(`/api/admin/subscriptions/${id}/cancel`, { now: true });
    assert.equal((await p.get('/api/billing/subscription')).json.trial, false);
    await subscribed(p, 'trial', 'active');
    assert.equal(await balance(p), 10);
  });
  test('a change meanwhile comes with its end', async () => {
    const p = await customer();
    await subscribed(p, 'trial', 'trialing');
    assert.equal((await p.post('/api/billing/subscription/preview', { plan: plans.pro })).json.when, 'period_end');
    assert.equal((await p.post('/api/billing/subscription/change', { plan: plans.pro })).json.next_plan.name, 'Pro');
    assert.equal((await payments(p)).length, 0);
    await clock(15 * DAY);
    assert.deepEqual([(await subscription(p)).plan.name, await balance(p)], ['Pro', 60]);
  });
});
