// What goes wrong around payments, and what the operator and the customer get to see of it: books
// that differ, frozen credit, refunds on paper, a customer deleted at Stripe, work that is cancelled.
import { test, before, after, describe } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Stripe from 'stripe';
import { House, STRIPE_SECRET, startUpstream, until } from './lib/house.mjs';
import { Person, QUICK, written } from './lib/people.mjs';
import { stripeProxy } from './lib/stripe-proxy.mjs';

const library = new Stripe('sk_test_sandbox');
const sqlite = process.env.TOLLGATE_TEST_ENGINE !== 'postgres';
let house, owner, operator, proxy, change = null;

before(async () => {
  // Between the house and the sandbox: `change` makes Stripe's lists say something else.
  const between = async (sandbox) => (proxy = await stripeProxy(sandbox, {
    after(rq, text) {
      const list = rq.method === 'GET' && /^\/v1\/(payment_intents|refunds|disputes)\?/.exec(rq.url);
      return change && list ? JSON.stringify(change(list[1], JSON.parse(text))) : text;
    },
  })).url;
  house = await House.start({ mail: true, stripe: between, config: ['fraud_warning_freezes = yes', 'reconcile_again = 1s',
    'promotion_codes = yes', '[invoice]', 'prefix = TG-', 'tax_name = VAT', ...QUICK, '[webhooks]', 'private_allowed = yes'] });
  house.keep(STRIPE_SECRET);
  await hook();
  owner = await new Person(house).signUp();
  operator = new Person(house);
  house.keep((await house.json('admin', 'user', 'create', '--email', operator.email, '--operator')).api_key);
  await operator.post('/api/auth/forgot', { email: operator.email });
  await operator.post('/api/auth/reset', { token: (await operator.mail('/reset')).token, password: operator.password });
  await operator.login();
  // A house compares as soon as it runs: no report that is waited for is to be that one's.
  await until('the first comparison', async () => (await operator.get('/api/admin/reconciliation')).json.reports.length);
});
after(async () => { await house?.stop(); await proxy?.stop(); });

const hook = () => house.sandbox.stripe('settings', { webhook: `${house.url}/api/stripe/webhook`, secret: STRIPE_SECRET });
const balance = async (p = owner) => Number((await p.get('/api/billing/balance')).json.balance);
const payment = async (o, p = owner) => (await p.get(`/api/billing/payments/${o.id}`)).json;
const admin = async (o) => (await operator.get(`/api/admin/payments/${o.id}`)).json;
const intent = async (o) => (await admin(o)).payment_intent;
async function status(o, wanted, p = owner) {
  const x = await until(`${wanted} payment`, async () => { const y = await payment(o, p); return y.status === wanted ? y : null; });
  await written(operator);
  return x;
}
const click = (o, how) => fetch(`${house.sandbox.url}/stripe/checkout/${o.session_id}/${how}`, { method: 'POST', redirect: 'manual' });
const stripe = (method, path, form) => fetch(`${house.sandbox.url}/stripe/v1/${path}`, {
  method, headers: { authorization: 'Bearer sk_test_me' }, body: form && new URLSearchParams(form),
}).then((r) => r.json());
async function order(amount = '25', p = owner) {
  const r = await p.post('/api/billing/checkout', { amount });
  assert.equal(r.status, 201, r.text);
  return r.json;
}
async function bought(amount = '25', p = owner) {
  const o = await order(amount, p);
  await click(o, 'pay');
  await status(o, 'completed', p);
  return o;
}
let n = 0;
async function tell(type, object) {
  const payload = JSON.stringify({ id: `evt_wrong${process.pid}x${n++}`, object: 'event', type, created: Math.floor(Date.now() / 1000), livemode: false, data: { object } });
  const r = await fetch(`${house.url}/api/stripe/webhook`, { method: 'POST', body: payload, headers: { 'stripe-signature': library.webhooks.generateTestHeaderString({ payload, secret: STRIPE_SECRET }) } });
  assert.equal(r.status, 200);
}
async function paper(id, p = owner, path = '/api/billing/invoices') {
  const r = await fetch(`${house.url}${path}/${id}/pdf`, { headers: { cookie: [...p.cookies].map(([k, v]) => `${k}=${v}`).join('; ') } });
  assert.equal(r.status, 200);
  const file = join(house.dir, `${id}.pdf`);
  writeFileSync(file, Buffer.from(await r.arrayBuffer()));
  return execFileSync('pdftotext', ['-layout', file, '-'], { encoding: 'utf8' });
}

describe('the books differ', () => {
  const alert = async () => (await operator.get('/api/admin/health')).json.alerts.find((a) => a.code === 'reconciliation');
  const reconcile = async () => {
    const last = (await operator.get('/api/admin/reconciliation')).json.reports[0]?.id;
    assert.equal((await operator.post('/api/admin/reconciliation')).status, 202);
    return until('a report', async () => {
      const r = (await operator.get('/api/admin/reconciliation')).json.reports[0];
      return r && r.id !== last ? r : null;
    }, 60000);
  };
  test('a lost event is filled in and is no difference; a payment, a refund, a dispute that differ are told, with an alert', async () => {
    const paid = await bought(), open = await order(), pi = await intent(paid);
    await house.sandbox.stripe(`dispute/${pi}`, { phase: 'open' });
    await status(paid, 'disputed');
    await house.sandbox.stripe('settings', { drop_percent: 100 });
    const unheard = await order();
    await click(unheard, 'pay');
    await house.sandbox.stripe('settings', { drop_percent: 0 });
    assert.equal(await alert(), undefined);
    const now = Math.floor(Date.now() / 1000);
    change = (what, list) => {
      if (what === 'payment_intents') list.data.unshift({ id: 'pi_theirs', object: 'payment_intent', status: 'succeeded', created: now, amount_received: 2500, currency: 'usd', metadata: { payment_id: open.id } });
      if (what === 'refunds') list.data.unshift({ id: 're_theirs', object: 'refund', status: 'succeeded', amount: 700, created: now, payment_intent: pi });
      if (what === 'disputes') list.data = list.data.map((d) => (d.payment_intent === pi ? { ...d, status: 'lost' } : d));
      return list;
    };
    const before = await balance(), report = await reconcile();
    change = null;
    await status(unheard, 'completed');
    assert.equal(await balance(), before + 25, 'what was missing is granted, what differs moves nothing');
    assert.ok(report.mended >= 1, JSON.stringify(report));
    assert.deepEqual(report.findings.map((f) => [f.kind, f.ours, f.theirs]).sort(), [
      ['dispute', 'open', 'lost'], ['payment', 'pending, 0', 'succeeded, 2500'], ['refund', 'not known', 'refunded']]);
    assert.equal(report.findings.find((f) => f.kind === 'payment').object, 'pi_theirs');
    assert.equal(report.mismatches, 3);
    assert.match((await alert()).message, /differ/);
    await until('the log line', () => /"event":"reconciliation"[^\n]*3 mismatches/.test(house.child.log));
    // When they agree again the alert is over.
    const again = await reconcile();
    assert.deepEqual([again.mismatches, again.findings], [0, []]);
    assert.equal(await alert(), undefined);
  });
  test('what we have granted and Stripe does not list', { skip: !sqlite }, async () => {
    const o = await bought('5'), pi = await intent(o);
    await house.halt();
    execFileSync('sqlite3', [join(house.data, 'tollgate.db'), `UPDATE stripe_transactions SET completed_us = completed_us - 600000000 WHERE id = '${o.id}'`]);
    await house.serve();
    await hook();
    change = (what, list) => ({ ...list, data: list.data.filter((x) => x.id !== pi) });
    const report = await reconcile();
    change = null;
    assert.deepEqual(report.findings, [{ kind: 'payment', object: pi, ours: 'completed', theirs: 'not listed' }]);
    assert.ok(await alert());
    assert.equal((await reconcile()).mismatches, 0, 'they agree again');
  });
});

describe('frozen', () => {
  const release = (o, d, body = { reason: 'She was asked' }) => operator.post(`/api/admin/payments/${o.id}/disputes/${d}/release`, body);
  test('by a bank\'s early warning: the operator sees why, and gives it back', async () => {
    const o = await bought(), before = await balance();
    await tell('radar.early_fraud_warning.created', { id: 'issfr_wrong1', object: 'radar.early_fraud_warning', actionable: true, payment_intent: await intent(o) });
    assert.equal((await status(o, 'disputed')).frozen, '25');
    assert.equal(await balance(), before - 25);
    const seen = await admin(o);
    assert.deepEqual([seen.frozen, seen.disputes.map((d) => [d.id, d.reason, d.released])], ['25', [['issfr_wrong1', 'early_fraud_warning', false]]]);
    assert.equal((await operator.get('/api/admin/payments?status=disputed')).json.data.find((x) => x.id === o.id).disputes, 1);
    assert.equal((await owner.post(`/api/admin/payments/${o.id}/disputes/issfr_wrong1/release`)).status, 404);
    assert.equal((await release(o, 'issfr_none')).status, 404);
    const r = await release(o, 'issfr_wrong1');
    assert.deepEqual([r.status, r.json.status, r.json.frozen, r.json.disputes[0].released], [200, 'completed', '0', true], r.text);
    assert.equal(await balance(), before);
    assert.equal((await release(o, 'issfr_wrong1')).status, 409);
    const row = (await operator.get('/api/admin/audit?action=payment.release')).json.data[0];
    assert.deepEqual([row.object, row.change], [o.id, { dispute: 'issfr_wrong1', reason: 'She was asked' }]);
    // The same warning told again does not freeze again.
    await tell('radar.early_fraud_warning.created', { id: 'issfr_wrong1', object: 'radar.early_fraud_warning', payment_intent: await intent(o) });
    await operator.post('/api/admin/reconciliation');
    await until('worked on', async () => (await admin(o)).events.filter((e) => e.type.startsWith('radar') && e.state === 'done').length === 2);
    assert.equal(await balance(), before);
  });
  test('by a dispute: released it can be spent, but not refunded; lost it is taken all the same', async () => {
    const o = await bought(), before = await balance(), pi = await intent(o);
    await house.sandbox.stripe(`dispute/${pi}`, { phase: 'open' });
    await status(o, 'disputed');
    await until('frozen', async () => await balance() === before - 25);
    assert.equal((await payment(o)).frozen, '25');
    const d = (await admin(o)).disputes[0].id;
    assert.equal((await release(o, d)).json.status, 'disputed');
    assert.equal(await balance(), before);
    assert.equal((await operator.post(`/api/admin/payments/${o.id}/refund`, {})).status, 409);
    await house.sandbox.stripe(`dispute/${pi}`, { phase: 'lost' });
    await until('taken', async () => await balance() === before - 25);
    assert.equal((await payment(o)).frozen, '0', 'it is decided');
    assert.equal((await release(o, d)).status, 409);
    assert.deepEqual((await payment(o)).credit_note_ids, [], 'what a bank takes is no refund of ours');
  });
});

describe('on paper', () => {
  test('a payment leads to its receipt, a refund to its credit note, with numbers of their own', async () => {
    const o = await bought(), pi = await intent(o), x = await payment(o);
    assert.match(x.receipt_id, /^inv_/);
    assert.deepEqual(x.credit_note_ids, []);
    assert.equal((await owner.get('/api/billing/payments')).json.data.find((p) => p.id === o.id).receipt_id, x.receipt_id);
    const receipt = (await owner.get('/api/billing/invoices?kind=receipt')).json.data.find((i) => i.id === x.receipt_id);
    const first = await stripe('POST', 'refunds', { payment_intent: pi, amount: '1000' });
    await until('refunded', async () => (await payment(o)).refunded === '10');
    await operator.post(`/api/admin/payments/${o.id}/refund`, {});
    await until('two notes', async () => (await payment(o)).credit_note_ids.length === 2);
    const notes = (await owner.get('/api/billing/invoices?kind=credit_note')).json.data;
    assert.deepEqual(notes.map((i) => [i.total, i.payment_id, i.period]), [['-15', o.id, null], ['-10', o.id, null]]);
    const years = notes.map((i) => i.issued_at.slice(0, 4)).reverse(); // (each counts from one)
    assert.deepEqual(notes.map((i) => i.number).reverse(), years.map((year, k) => `TG-CN-${year}-${String(years.slice(0, k + 1).filter((y) => y === year).length).padStart(6, '0')}`));
    const text = await paper(notes[1].id);
    for (const part of ['Credit note', notes[1].number, receipt.number, o.id, 'Refund: Prepaid credit', '$10.00', 'Total refunded']) assert.ok(text.includes(part), `${part}\n${text}`);
    assert.equal(await paper(notes[1].id, operator, '/api/admin/invoices'), text);
    assert.equal((await operator.get(`/api/admin/invoices/inv_none/pdf`)).status, 404);
    // A refund that fails later takes its note back by another one.
    await house.sandbox.stripe(`refund/${first.id}`);
    await until('three', async () => (await payment(o)).credit_note_ids.length === 3);
    const back = (await owner.get('/api/billing/invoices?kind=credit_note')).json.data[0];
    assert.equal(back.total, '10');
    assert.match(await paper(back.id), /Refund that did not arrive[\s\S]*-\$10\.00/);
    assert.equal((await owner.get('/api/billing/invoices?kind=x')).status, 400);
  });
  test('with tax: what is refunded is the same part of both', async () => {
    const o = await order('10'), before = await balance();
    await tell('checkout.session.completed', { id: o.session_id, object: 'checkout.session', mode: 'payment', status: 'complete', payment_status: 'paid',
      amount_total: 1190, total_details: { amount_tax: 190 }, currency: 'usd', payment_intent: `pi_tax${process.pid}`, client_reference_id: o.id });
    await status(o, 'completed');
    assert.equal(await balance(), before + 10);
    await tell('charge.refunded', { id: 'ch_tax', object: 'charge', payment_intent: `pi_tax${process.pid}`, amount_refunded: 595 });
    assert.equal((await until('half', async () => { const x = await payment(o); return x.credit_note_ids.length === 1 && x; })).refunded, '5');
    await written(operator);
    assert.equal(await balance(), before + 5);
    await tell('charge.refunded', { id: 'ch_tax', object: 'charge', payment_intent: `pi_tax${process.pid}`, amount_refunded: 1190 });
    assert.equal((await status(o, 'refunded')).refunded, '10');
    assert.equal(await balance(), before);
    const notes = (await owner.get('/api/billing/invoices?kind=credit_note')).json.data.filter((i) => i.payment_id === o.id);
    assert.deepEqual(notes.map((i) => [i.total, i.tax]), [['-5.95', '-0.95'], ['-5.95', '-0.95']]);
    assert.match(await paper(notes[0].id), /VAT\s+\$0\.95[\s\S]*\$5\.95/);
  });
  test('bought with a discount: what is refunded is what was paid', async () => {
    const o = await order('10'), before = await balance();
    // Paid 8 for a credit of 10; the sandbox knows the intent by an order of 8.
    const other = await order('8');
    await click(other, 'pay');
    await status(other, 'completed');
    const pi = await stripe('POST', 'payment_intents', { amount: '800', currency: 'usd', customer: (await stripe('GET', `checkout/sessions/${o.session_id}`)).customer, payment_method: 'pm_card_visa', off_session: 'true', confirm: 'true' });
    await tell('checkout.session.completed', { id: o.session_id, object: 'checkout.session', mode: 'payment', status: 'complete', payment_status: 'paid',
      amount_total: 800, total_details: { amount_discount: 200 }, currency: 'usd', payment_intent: pi.id, client_reference_id: o.id });
    await status(o, 'completed');
    assert.equal(await balance(), before + 18);
    assert.equal((await operator.post(`/api/admin/payments/${o.id}/refund`, { amount: '5' })).status, 202);
    assert.equal((await operator.post(`/api/admin/payments/${o.id}/refund`, {})).status, 202);
    await until('sent', async () => (await admin(o)).refunds.filter((r) => r.id.startsWith('re_')).length === 2);
    assert.deepEqual((await admin(o)).refunds.map((r) => r.amount), ['4', '4']);
    assert.deepEqual([(await payment(o)).status, await balance()], ['refunded', before + 8]);
  });
});

describe('names on paper', () => {
  // Looked at, not only read: each letter's part of its line has ink.
  function ink(file, word) {
    const boxes = execFileSync('pdftotext', ['-bbox', file, '-'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const box = new RegExp(`xMin="([\\d.]+)" yMin="([\\d.]+)" xMax="([\\d.]+)" yMax="([\\d.]+)">${word}<`).exec(boxes);
    assert.ok(box, `${word} in ${boxes}`);
    const picture = execFileSync('pdftoppm', ['-gray', '-r', '144', '-singlefile', file], { maxBuffer: 1e8, stdio: ['ignore', 'pipe', 'ignore'] });
    const [head, width] = /^P5\s+(\d+)\s+\d+\s+255\s/.exec(picture.toString('latin1', 0, 40));
    const [x0, y0, x1, y1] = box.slice(1).map((v) => Number(v) * 2), cells = [...word].length;
    return Array.from({ length: cells }, (_, i) => {
      let dark = 0;
      for (let y = Math.floor(y0); y < y1; y++)
        for (let x = Math.floor(x0 + (x1 - x0) * i / cells); x < x0 + (x1 - x0) * (i + 1) / cells; x++)
          dark += picture[head.length + y * Number(width) + x] < 128;
      return dark;
    });
  }
  test('Japanese, Korean, Greek and Russian are written; what cannot be is a box, and the operator is told, once', async () => {
    const p = await new Person(house).signUp(), lines = ['株社都渋東京', '서울전자주식', 'ΑθήναΣς', 'Москва'];
    const boxed = ['شركة النور 24 GmbH', 'שלום Ltd', 'नमस्ते, ไทย', 'Rocket 👨‍👩‍👧🚀 Inc'];
    assert.equal((await p.patch('/api/billing/details', { name: lines[0], address: [...lines.slice(1)].join('\n') })).status, 200);
    const { receipt_id } = await payment(await bought('5', p), p);
    assert.doesNotMatch(await paper(receipt_id, p), /□/);
    for (const line of lines) for (const [i, dark] of ink(join(house.dir, `${receipt_id}.pdf`), line).entries()) assert.ok(dark >= 12, `${line}[${i}]: ${dark}`);
    // Long ones are whole, on as many lines as it takes.
    const long = 'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft der k. u. k. Wien', words = long.slice(81);
    assert.equal((await p.patch('/api/billing/details', { name: long, address: `${'株'.repeat(60)}\nWien` })).status, 200);
    const whole = (await paper((await payment(await bought('5', p), p)).receipt_id, p)).split('\n').map((line) => line.slice(40).trim()).join('');
    assert.ok(whole.includes(long.replaceAll(' ', '').slice(0, 80)) && whole.includes(words) && whole.includes('株'.repeat(60) + 'Wien'), whole);
    const told = () => house.child.log.split('\n').filter((line) => line.includes('"paper_letters"'));
    assert.equal(told().length, 0);
    assert.equal((await p.patch('/api/billing/details', { name: boxed[0], address: boxed.slice(1).join('\n') })).status, 200);
    for (let i = 0; i < 2; i++) {
      const text = await paper((await payment(await bought('5', p), p)).receipt_id, p);
      for (const line of ['□ □ 24 GmbH', '□ Ltd', '□, □', 'Rocket □ Inc', '□ stands for letters that could not be printed here.'])
        assert.ok(text.includes(`${line}\n`), `${line} is not in\n${text}`);
    }
    await until('the log line', async () => told().length);
    assert.equal(told().length, 1);
    assert.match(told()[0], /TG-\d{4}-\d{6} has letters .*U\+0634/);
    assert.ok(!boxed.some((name) => house.child.log.includes(name)), 'no name is logged');
  });
});

describe('a customer deleted at Stripe', () => {
  const customer = async (o) => (await stripe('GET', `checkout/sessions/${o.session_id}`)).customer;
  test('whether we are told or not, the next checkout makes another one', async () => {
    const p = await new Person(house).signUp();
    const first = await customer(await bought('5', p));
    await house.sandbox.stripe('settings', { drop_percent: 100 });
    await stripe('DELETE', `customers/${first}`);
    await house.sandbox.stripe('settings', { drop_percent: 0 });
    const second = await customer(await bought('5', p));
    assert.notEqual(second, first);
    await stripe('DELETE', `customers/${second}`);
    await until('told', async () => (await operator.get('/api/admin/stripe-events?type=customer.deleted&state=done')).json.data.length > 0);
    const third = await customer(await bought('5', p));
    assert.notEqual(third, second);
    assert.equal(await customer(await order('5', p)), third);
    assert.equal(await balance(p), 25);
  });
  test('automatic top-up stops and says that there is no card', async () => {
    const p = await new Person(house).signUp();
    const o = await bought('5', p);
    await house.sandbox.stripe('settings', { drop_percent: 100 });
    await stripe('DELETE', `customers/${await customer(o)}`);
    await house.sandbox.stripe('settings', { drop_percent: 0 });
    assert.equal((await p.patch('/api/billing/auto-topup', { enabled: true, threshold: '100', amount: '5', monthly_cap: '50' })).status, 200);
    const a = await until('suspended', async () => { const x = (await p.get('/api/billing/auto-topup')).json; return x.status === 'suspended' && x; }, 40000);
    assert.deepEqual([a.reason, a.in_flight, a.spent_this_month], ['no_card', false, '0']);
  });
});

describe('work that the operator cancels', () => {
  const job = (kind, state) => until(`a job of ${kind}`, async () => (await operator.get(`/api/admin/jobs?kind=${kind}&limit=100`)).json.data.find((j) => j.state === state));
  const cancel = async (j) => assert.equal((await operator.post(`/api/admin/jobs/${j.id}/cancel`)).status, 200);
  test('a webhook\'s delivery is cancelled with its job', async () => {
    const receiver = await startUpstream((rq, rs) => rs.writeHead(500).end());
    try {
      const e = (await owner.post('/api/webhooks', { url: `${receiver.url}/`, events: ['*'] })).json;
      house.keep(e.secret.slice(6));
      const d = (await owner.post(`/api/webhooks/${e.id}/test`)).json;
      const seen = async () => (await owner.get(`/api/webhooks/${e.id}/deliveries/${d.id}`)).json;
      await until('tried', async () => (await seen()).attempts === 1);
      await cancel(await job('webhook', 'sleeping'));
      const x = await until('cancelled', async () => { const y = await seen(); return y.status === 'cancelled' && y; });
      assert.equal(x.next_attempt_at, null);
      assert.ok(x.ended_at);
      await owner.del(`/api/webhooks/${e.id}`);
    } finally { await receiver.stop(); }
  });
  test('a refund that Stripe was not asked for gives its credit back', async () => {
    const o = await bought('5'), before = await balance();
    await house.sandbox.stripe('settings', { fail_status: 503, fail_times: 1000 });
    assert.equal((await operator.post(`/api/admin/payments/${o.id}/refund`, {})).status, 202);
    assert.equal(await balance(), before - 5);
    await cancel(await job('stripe_refund', 'retrying'));
    await house.sandbox.stripe('settings', { fail_status: 503, fail_times: 0 });
    assert.deepEqual([(await payment(o)).status, await balance()], ['completed', before]);
    assert.deepEqual((await payment(o)).credit_note_ids, []);
  });
});

test('the books are right after all this', async () => assert.equal((await house.verify()).ok, true));
