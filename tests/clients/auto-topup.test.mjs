// Credit that buys itself, and the receipts of what was bought, through the sandbox's Stripe.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { House, STRIPE_SECRET, until, withinAMonth } from './lib/house.mjs';
import { Person, QUICK } from './lib/people.mjs';

let house, op;
before(async () => {
  house = await House.start({ mail: true, stripe: true, config: [...QUICK, '[invoice]', 'prefix = R-', 'seller_name = Gatehouse Ltd', 'tax_name = VAT'] });
  await house.sandbox.stripe('settings', { webhook: `${house.url}/api/stripe/webhook`, secret: STRIPE_SECRET });
  op = new Person(house);
  house.keep((await house.json('admin', 'user', 'create', '--email', op.email, '--operator')).api_key);
  await op.post('/api/auth/forgot', { email: op.email });
  await op.post('/api/auth/reset', { token: (await op.mail('/reset')).token, password: op.password });
  await op.login();
});
after(() => house?.stop());

const wrong = (got, status, code) => assert.deepEqual([got.status, got.json.error.code], [status, code], got.text);
const balance = async (p) => Number((await p.get('/api/billing/balance')).json.balance);
const rule = async (p) => (await p.get('/api/billing/auto-topup')).json;
const look = async () => {
  const job = (await op.get('/api/admin/jobs?kind=auto_topup_look')).json.data[0];
  await op.post(`/api/admin/jobs/${job.id}/retry`);
};
const raw = async (path) => (await fetch(`${house.sandbox.url}/stripe/v1/${path}`, { headers: { authorization: 'Bearer sk_test_me' } })).json();
const payments = async (p, kind) => (await p.get('/api/billing/payments?limit=100')).json.data.filter((x) => x.kind === kind);
// Somebody with a card: he has bought $25 once, and has $35.
async function buyer() {
  const p = await new Person(house).signUp();
  const o = (await p.post('/api/billing/checkout', { amount: '25' })).json;
  await fetch(`${house.sandbox.url}/stripe/checkout/${o.session_id}/pay`, { method: 'POST', redirect: 'manual' });
  await until('the payment', async () => (await p.get(`/api/billing/payments/${o.id}`)).json.status === 'completed');
  const customer = (await raw('payment_intents?limit=100')).data.find((x) => x.metadata.payment_id === o.id).customer;
  return { p, o, card: (phase) => house.sandbox.stripe(`card/${customer}`, { phase }) };
}

test('a payment has a receipt, one, with a number', async () => {
  const { p, o } = await buyer();
  const [r, ...more] = (await p.get('/api/billing/invoices?kind=receipt')).json.data;
  assert.equal(more.length, 0);
  assert.deepEqual([r.payment_id, r.kind, r.total, r.tax, r.currency, r.period], [o.id, 'receipt', '25', '0', 'usd', null]);
  assert.match(r.number, /^R-20\d\d-00000\d$/);
  const got = await fetch(`${house.url}/api/billing/invoices/${r.id}/pdf`, { headers: { cookie: [...p.cookies].map(([k, v]) => `${k}=${v}`).join('; ') } });
  const file = join(house.dir, 'receipt.pdf');
  writeFileSync(file, Buffer.from(await got.arrayBuffer()));
  const text = execFileSync('pdftotext', ['-layout', file, '-'], { encoding: 'utf8' });
  for (const line of ['Receipt', r.number, 'Gatehouse Ltd', p.email, 'Prepaid credit ($25.00)', 'VAT', 'Total paid', '$25.00', o.id])
    assert.ok(text.includes(line), `${line} is not in\n${text}`);
});

test('below the threshold the card is charged, once at a time, up to the month\'s cap', async () => {
  await withinAMonth();
  const { p } = await buyer();
  const set = await p.patch('/api/billing/auto-topup', { enabled: true, threshold: '36', amount: '10', monthly_cap: '25' });
  assert.deepEqual(set.json, { enabled: true, status: 'on', reason: '', threshold: '36', amount: '10', monthly_cap: '25', spent_this_month: '0', in_flight: false }, set.text);
  for (let i = 0; i < 5; i++) await look();
  await until('the credit', async () => (await balance(p)) === 45);
  await p.patch('/api/billing/auto-topup', { threshold: '1000' });
  await until('more of it', async () => { await look(); return (await balance(p)) === 55; });
  await until('its end', async () => !(await rule(p)).in_flight); // (the event may have been the first to tell)
  for (let i = 0; i < 5; i++) { await look(); await new Promise((done) => setTimeout(done, 100)); }
  assert.equal(await balance(p), 55); // $5 are left of the cap
  assert.deepEqual([(await rule(p)).spent_this_month, (await rule(p)).in_flight, (await payments(p, 'auto_topup')).length], ['20', false, 2]);
  const numbers = (await p.get('/api/billing/invoices?kind=receipt')).json.data.map((r) => Number(r.number.slice(-6)));
  assert.deepEqual(numbers, [numbers[2] + 2, numbers[2] + 1, numbers[2]]);
});

test('a card that is declined: a mail, and no other try for hours; nothing is granted', async () => {
  const { p, card } = await buyer();
  await card('declined');
  await p.patch('/api/billing/auto-topup', { enabled: true, threshold: '100', amount: '10', monthly_cap: '50' });
  const failed = await until('the failure', async () => { await look(); const r = await rule(p); return r.reason && !r.in_flight && r; });
  assert.deepEqual([failed.status, failed.reason, failed.spent_this_month], ['on', 'card_declined', '0']);
  await p.mail('/billing');
  for (let i = 0; i < 3; i++) await look();
  const all = await payments(p, 'auto_topup');
  assert.deepEqual(all.map((x) => x.status), ['failed']);
  assert.equal(await balance(p), 35);
  await card('good');
  await p.patch('/api/billing/auto-topup', { enabled: true });
  await until('the credit', async () => { await look(); return (await balance(p)) >= 45; });
  await p.patch('/api/billing/auto-topup', { enabled: false }); // the faults that follow are for others
});

test('a bank that wants the customer himself: suspended, and a mail with a link', async () => {
  const { p, card } = await buyer();
  await card('authentication_required');
  await p.patch('/api/billing/auto-topup', { enabled: true, threshold: '100', amount: '10', monthly_cap: '50' });
  const r = await until('the end', async () => { await look(); const x = await rule(p); return x.status === 'suspended' && x; });
  assert.equal(r.reason, 'authentication_required');
  assert.match((await p.mail('/billing')).text, /confirm a payment/);
});

test('Stripe charges and answers 500: asked again under the same key, one payment', async () => {
  const { p } = await buyer();
  await p.patch('/api/billing/auto-topup', { enabled: true, threshold: '36', amount: '10', monthly_cap: '10' });
  await house.sandbox.stripe('settings', { fail_status: 500, fail_times: 1, fail_after: true });
  await until('the credit', async () => {
    await look();
    for (const j of (await op.get('/api/admin/jobs?kind=auto_topup&state=retrying')).json.data) await op.post(`/api/admin/jobs/${j.id}/retry`);
    return (await balance(p)) === 45;
  }, 20000);
  const ours = (await raw('payment_intents?limit=100')).data.filter((x) => x.metadata.team_id === p.team);
  assert.deepEqual(ours.map((x) => x.amount).sort(), [1000, 2500]);
});

test('what cannot be: no card yet, amounts out of bounds', async () => {
  const p = await new Person(house).signUp();
  wrong(await p.patch('/api/billing/auto-topup', { enabled: true }), 409, 'conflict');
  for (const bad of [{ amount: '1' }, { amount: '10.001' }, { amount: '50', monthly_cap: '20' }])
    wrong(await p.patch('/api/billing/auto-topup', bad), 422, 'validation_failed');
  assert.equal((await rule(p)).status, 'off');
});

test('the books are right', async () => assert.equal((await house.verify()).ok, true));
