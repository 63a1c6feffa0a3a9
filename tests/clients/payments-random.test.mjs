// Random lives of payments, told by random events: doubled, out of order, lost and told again with a
// fresh stamp up to three days later, while the server is killed; held against a model that knows
// nothing of events, only of what happened. TOLLGATE_SEQUENCES, TOLLGATE_SEED.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import Stripe from 'stripe';
import { House, STRIPE_SECRET, until } from './lib/house.mjs';
import { Person, QUICK, written } from './lib/people.mjs';

const SEQUENCES = Number(process.env.TOLLGATE_SEQUENCES ?? 500);
const SEED = Number(process.env.TOLLGATE_SEED ?? Date.now() % 1e9);
const USERS = 20, BATCH = 100, PARALLEL = 12;
const library = new Stripe('sk_test_x');

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
function shuffle(list) {
  for (let i = list.length - 1; i > 0; i--) {
    const j = below(i + 1);
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}

const counts = { sequences: 0, events: 0, deliveries: 0, duplicates: 0, lost: 0, kills: 0, refunds: 0, failed_refunds: 0, disputes: 0, spent: 0 };
let serial = 0;

// One payment's life: the events that Stripe would send, and (apart from them) what it comes to, in
// cents: granted, less what went back.
function life(order) {
  const events = [], pi = `pi_r${SEED}x${serial++}`, amount = order.cents;
  const at = () => Math.floor(Date.now() / 1000) - below(3 * 86400);
  const tell = (type, object) => events.push({ id: `evt_r${SEED}x${serial++}`, object: 'event', type, created: at(), livemode: false, data: { object: structuredClone(object) } });
  const session = { id: order.session, object: 'checkout.session', mode: 'payment', status: 'complete', payment_status: 'paid', amount_total: amount, currency: 'usd', payment_intent: pi, client_reference_id: order.id, customer: 'cus_x' };
  const end = pick(['paid', 'paid', 'paid', 'paid', 'late', 'late', 'expired', 'bank_failed', 'mistaken']);
  if (end === 'expired') {
    tell('checkout.session.expired', { ...session, status: 'expired', payment_status: 'unpaid', payment_intent: null });
    return { events, paid: false, gone: 0, status: 'expired' };
  }
  if (end === 'mistaken') { // paid, but not what was ordered: it moves nothing
    tell('checkout.session.completed', { ...session, amount_total: amount + 100 });
    tell('checkout.session.expired', { ...session, status: 'expired', payment_status: 'unpaid' });
    return { events, paid: false, gone: 0, status: 'expired' };
  }
  if (end !== 'paid') tell('checkout.session.completed', { ...session, payment_status: 'unpaid' });
  if (end === 'bank_failed') {
    tell('checkout.session.async_payment_failed', { ...session, payment_status: 'unpaid' });
    return { events, paid: false, gone: 0, status: 'failed' };
  }
  tell(end === 'paid' ? 'checkout.session.completed' : 'checkout.session.async_payment_succeeded', session);
  tell('payment_intent.succeeded', { id: pi, object: 'payment_intent', amount_received: amount, currency: 'usd', metadata: { payment_id: order.id } });
  const charge = { id: `ch_${pi}`, object: 'charge', payment_intent: pi, amount, amount_refunded: 0 };
  tell('charge.succeeded', charge);
  let refunded = 0, disputed = 0, isDisputed = false;
  for (let i = below(4); i > 0 && refunded < amount; i--) {
    const part = chance(0.3) ? amount - refunded : 1 + below(amount - refunded);
    const refund = { id: `re_r${SEED}x${serial++}`, object: 'refund', payment_intent: pi, charge: charge.id, amount: part, status: 'succeeded' };
    counts.refunds++;
    refunded += part;
    tell(chance(0.5) ? 'refund.created' : 'charge.refund.updated', refund);
    tell('charge.refunded', { ...charge, amount_refunded: refunded });
    if (chance(0.25)) {
      counts.failed_refunds++;
      refunded -= part;
      tell('refund.failed', { ...refund, status: 'failed' });
      if (chance(0.5)) tell('refund.updated', { ...refund, status: 'failed' });
    }
  }
  for (let i = chance(0.35) ? 1 + below(2) : 0; i > 0 && refunded < amount; i--) {
    const dispute = { id: `dp_r${SEED}x${serial++}`, object: 'dispute', payment_intent: pi, charge: charge.id, amount: amount - refunded, reason: 'fraudulent', status: 'needs_response' };
    counts.disputes++;
    if (chance(0.3)) { // an inquiry
      tell('charge.dispute.created', { ...dispute, status: 'warning_needs_response' });
      if (chance(0.5)) tell('charge.dispute.closed', { ...dispute, status: 'warning_closed' });
      continue;
    }
    tell('charge.dispute.created', dispute);
    const withdrawn = chance(0.8), outcome = pick(['open', 'won', 'lost']);
    if (withdrawn) tell('charge.dispute.funds_withdrawn', dispute);
    if (outcome === 'won') {
      if (withdrawn) tell('charge.dispute.funds_reinstated', { ...dispute, status: 'won' });
      tell('charge.dispute.closed', { ...dispute, status: 'won' });
      continue;
    }
    if (outcome === 'lost') tell('charge.dispute.closed', { ...dispute, status: 'lost' });
    disputed += dispute.amount;
    isDisputed = true;
    break;
  }
  const gone = Math.min(amount, refunded + disputed);
  return { events, paid: true, gone, refunded: Math.min(amount, refunded), status: isDisputed ? 'disputed' : refunded >= amount ? 'refunded' : 'completed' };
}

// Every event at least once in the end, some more often, in any order.
function deliveries(lives) {
  const list = [];
  for (const l of lives)
    for (const e of l.events) {
      counts.events++;
      list.push(e);
      while (chance(0.25)) { list.push(e); counts.duplicates++; }
    }
  // Half the time nearly in order, as it would be; else in any.
  return chance(0.5) ? shuffle(list) : list.map((e, i) => [i + below(12), e]).sort((a, b) => a[0] - b[0]).map((x) => x[1]);
}

async function deliver(house, list) {
  const kill = chance(0.7) ? below(list.length) : -1;
  let done = 0, again = [], dead = null;
  const one = async (e) => {
    if (chance(0.05)) { again.push(e); counts.lost++; return; }
    const payload = JSON.stringify(e);
    try {
      counts.deliveries++;
      const r = await fetch(`${house.url}/api/stripe/webhook`, { method: 'POST', body: payload,
        headers: { 'stripe-signature': library.webhooks.generateTestHeaderString({ payload, secret: STRIPE_SECRET }) } });
      await r.arrayBuffer();
      if (r.status !== 200) again.push(e);
    } catch {
      again.push(e); // nobody knows whether it was taken
    }
  };
  const worker = async () => {
    while (done < list.length) {
      const i = done++;
      if (i === kill) dead = crash(house);
      if (dead) await dead;
      await one(list[i]);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  if (dead) await dead;
  if (again.length) await deliver(house, shuffle(again));
}

async function crash(house) {
  counts.kills++;
  await house.halt('SIGKILL');
  await house.serve();
}

test(`${SEQUENCES} lives of payments, seed ${SEED}`, async (t) => {
  const house = await House.start({ mail: true, stripe: true, credit: '0.000001', config: QUICK });
  house.keep(STRIPE_SECRET);
  try {
    const operator = new Person(house);
    house.keep((await house.json('admin', 'user', 'create', '--email', operator.email, '--operator')).api_key);
    await operator.post('/api/auth/forgot', { email: operator.email });
    await operator.post('/api/auth/reset', { token: (await operator.mail('/reset')).token, password: operator.password });
    await operator.login();
    await house.ok(['admin', 'price', 'set', '--model', 'sandbox/echo', '--input', '0', '--output', '0', '--request', '2.5']);
    const users = [];
    for (let i = 0; i < USERS; i++) {
      const u = await house.json('admin', 'user', 'create', '--email', `u${i}@example.com`, '--credit', '10');
      users.push({ key: house.keep(u.api_key), spends: i % 4 === 0, net: 0, lives: [] });
    }
    while (counts.sequences < SEQUENCES) {
      const lives = [];
      const make = async () => {
        const u = pick(users), cents = pick([500, 1000, 2500, 5000, 10000, 500 + below(3000)]);
        const r = await house.fetch('/api/stripe/create-checkout-session', { key: u.key, body: { amount: (cents / 100).toFixed(2) } });
        assert.equal(r.status, 200, await r.clone().text());
        const session = (await r.json()).sessionId;
        const id = (await (await house.fetch(`/api/billing/payments/${session}`, { key: u.key })).json()).id;
        const l = { user: u, id, session, cents, ...life({ id, session, cents }) };
        u.net += l.paid ? l.cents - l.gone : 0;
        u.lives.push(l);
        lives.push(l);
      };
      const n = Math.min(BATCH, SEQUENCES - counts.sequences);
      for (let i = 0; i < n; i++) await make();
      counts.sequences += n;
      const spend = async () => {
        for (const u of users.filter((x) => x.spends)) {
          for (let k = 0; k < 3; k++) {
            const r = await house.fetch('/v1/chat/completions', { key: u.key, body: { model: 'sandbox/echo', messages: [{ role: 'user', content: 'x' }] } }).catch(() => null);
            await r?.arrayBuffer().catch(() => {});
          }
        }
      };
      await Promise.all([deliver(house, deliveries(lives)), spend()]);
    }
    await until('every event to be worked on', async () =>
      (await operator.get('/api/admin/stripe-events?state=stored&limit=1')).json.data.length === 0, 120000);
    await written(operator);
    for (const u of users) {
      const all = [];
      for (let cursor = ''; ;) {
        const page = await (await house.fetch(`/api/billing/payments?limit=100${cursor}`, { key: u.key })).json();
        all.push(...page.data);
        if (!page.has_more) break;
        cursor = `&cursor=${page.next_cursor}`;
      }
      const by = new Map(all.map((x) => [x.id, x]));
      let owed = 0;
      for (const l of u.lives) {
        const x = by.get(l.id);
        assert.equal(x.status, l.status, `${l.id}: ${JSON.stringify(l.events.map((e) => e.type))} ${JSON.stringify(x)}`);
        if (l.paid) assert.equal(Number(x.refunded), l.refunded / 100, `${l.id}: ${JSON.stringify(x)}`);
        owed += Math.round(Number(x.owed) * 100);
      }
      const usage = await house.usage(u.key);
      const spent = Math.round(Number(usage.total_cost) * 100), left = Math.round(Number(usage.balance) * 100);
      counts.spent += spent;
      if (!u.spends) assert.equal(owed, 0);
      assert.equal(left - owed, 1000 + u.net - spent, `a balance of ${left}, ${owed} owed, ${spent} spent`);
    }
    assert.equal((await house.verify()).ok, true);
    t.diagnostic(`seed ${SEED}: ${JSON.stringify(counts)}`);
    console.log(`# seed ${SEED}: ${JSON.stringify(counts)}`);
  } finally {
    await house.stop();
  }
});
