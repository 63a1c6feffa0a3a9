// Codes that give credit: made by an operator, redeemed by customers, and not by who guesses.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { House } from './lib/house.mjs';
import { Person, QUICK } from './lib/people.mjs';

let house, op;
before(async () => {
  house = await House.start({ mail: true, config: QUICK });
  op = new Person(house);
  house.keep((await house.json('admin', 'user', 'create', '--email', op.email, '--operator')).api_key);
  await op.post('/api/auth/forgot', { email: op.email });
  await op.post('/api/auth/reset', { token: (await op.mail('/reset')).token, password: op.password });
  await op.login();
});
after(() => house?.stop());

const wrong = (got, status, code) => assert.deepEqual([got.status, got.json.error.code], [status, code], got.text);
const balance = async (p) => (await p.get('/api/billing/balance')).json.balance;
async function make(more) {
  const r = await op.post('/api/admin/codes', { name: 'Spring', amount: '5', ...more });
  assert.equal(r.status, 201, r.text);
  for (const c of r.json.data) house.keep(c.code);
  return r.json.data;
}

test('a single code gives credit once, to one', async () => {
  const [made] = await make();
  assert.match(made.code, /^[A-HJ-NP-Z2-9]{4}(-[A-HJ-NP-Z2-9]{4}){3}$/);
  assert.deepEqual([made.status, made.uses_max, made.per_user, made.credit_days], ['active', 1, 1, null]);
  const a = await new Person(house).signUp(), b = await new Person(house).signUp();
  const r = await a.post('/api/billing/redeem', { code: ` ${made.code.toLowerCase().replace(/-/g, ' ')} ` });
  assert.deepEqual([r.status, r.json], [200, { amount: '5', balance: '15', expires_at: null }], r.text);
  assert.equal(await balance(a), '15');
  wrong(await a.post('/api/billing/redeem', { code: made.code }), 409, 'conflict');
  wrong(await b.post('/api/billing/redeem', { code: made.code }), 409, 'conflict');
  assert.equal(await balance(b), '10');
  const lot = (await a.get('/api/billing/lots')).json.data[0];
  assert.deepEqual([lot.kind, lot.amount, lot.source], ['promotional', '5', 'promo_expense']);
  const shown = (await op.get(`/api/admin/codes/${made.id}`)).json;
  assert.deepEqual([shown.status, shown.uses, shown.code, shown.redemptions[0].user.email], ['used_up', 1, undefined, a.email]);
});

test('many at once: as many get it as there are, whoever is first', async () => {
  const [made] = await make({ uses_max: 3, code: 'Launch-Day', credit_days: 30 });
  const people = [];
  for (let i = 0; i < 6; i++) people.push(await new Person(house).signUp());
  const got = await Promise.all(people.flatMap((p) => [1, 2].map(() => p.post('/api/billing/redeem', { code: 'launchday' }))));
  assert.equal(got.filter((r) => r.status === 200).length, 3);
  assert.ok(got.every((r) => [200, 409].includes(r.status)), got.map((r) => `${r.status} ${r.text}`).join('\n'));
  const sums = await Promise.all(people.map(balance));
  assert.equal(sums.filter((s) => s === '15').length, 3);
  const until = Date.parse(got.find((r) => r.status === 200).json.expires_at) - Date.now();
  assert.ok(Math.abs(until - 30 * 86400e3) < 60e3);
  wrong(await op.post('/api/admin/codes', { name: 'Again', amount: '1', code: 'LAUNCHDAY' }), 409, 'conflict');
  assert.equal((await op.get(`/api/admin/codes/${made.id}`)).json.redemptions.length, 3);
});

test('the same request again is the same answer, and no more credit', async () => {
  const [made] = await make({ uses_max: 10, per_user: 2 });
  const p = await new Person(house).signUp();
  const once = { headers: { 'idempotency-key': 'redeem-1' } };
  const first = await p.post('/api/billing/redeem', { code: made.code }, once);
  const second = await p.post('/api/billing/redeem', { code: made.code }, once);
  assert.deepEqual(second.json, first.json);
  assert.equal(await balance(p), '15');
  assert.equal((await p.post('/api/billing/redeem', { code: made.code })).status, 200);
  wrong(await p.post('/api/billing/redeem', { code: made.code }), 409, 'conflict');
  assert.equal(await balance(p), '20');
});

test('one that was ended, one that is over, many made at once', async () => {
  const [a] = await make();
  assert.equal((await op.post(`/api/admin/codes/${a.id}/end`)).json.status, 'ended');
  const p = await new Person(house).signUp();
  wrong(await p.post('/api/billing/redeem', { code: a.code }), 404, 'not_found');
  const [b] = await make({ expires_at: new Date(Date.now() + 3600e3).toISOString() });
  house.sql(`UPDATE redemption_code SET expires_us = created_us + 1 WHERE id = '${b.id}'`);
  wrong(await p.post('/api/billing/redeem', { code: b.code }), 404, 'not_found');
  const many = await make({ name: 'Conference', count: 25 });
  assert.equal(new Set(many.map((c) => c.code)).size, 25);
  const page = (await op.get('/api/admin/codes?q=conf&limit=20')).json;
  assert.deepEqual([page.data.length, page.has_more], [20, true]);
  assert.equal((await op.get(`/api/admin/codes?q=conf&limit=20&cursor=${page.next_cursor}`)).json.data.length, 5);
  for (const bad of [{ amount: '0' }, { amount: '1', code: 'a b' }, { amount: '1', code: 'ÄÄÄÄÄÄÄ' }, { amount: '1', uses_max: 0 }, { amount: '1', code: 'TWOOFTHEM', count: 2 }, { amount: '1', expires_at: '2020-01-01' }])
    wrong(await op.post('/api/admin/codes', { name: 'x', ...bad }), 422, 'validation_failed');
});

test('who guesses waits longer and longer', async () => {
  const p = await new Person(house).signUp();
  p.roams = true;
  let got;
  for (let i = 0; i < 40; i++) {
    got = await p.post('/api/billing/redeem', { code: `GUESS-${i}00000` });
    if (got.status === 429) break;
    wrong(got, 404, 'not_found');
  }
  wrong(got, 429, 'rate_limit_exceeded');
  assert.ok(Number(got.headers.get('retry-after')) >= 1);
});

test('the books are right', async () => assert.equal((await house.verify()).ok, true));
