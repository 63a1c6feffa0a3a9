// What an operator does in the console: customers, providers, prices, rules, margin, settings.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { House } from './lib/house.mjs';
import { Person, QUICK } from './lib/people.mjs';

let house, op, ann, key;
const nano = (s) => { // decimal text to BigInt nano-dollars
  const [, sign, whole, part = ''] = /^(-?)(\d+)(?:\.(\d{1,9}))?$/.exec(String(s));
  return BigInt(sign + '1') * (BigInt(whole) * 10n ** 9n + BigInt(part.padEnd(9, '0')));
};
const wrong = (r, status, code, field) => {
  assert.deepEqual([r.status, r.json?.error?.code, r.json?.error?.field], [status, code, field], r.text);
};
const call = () => house.fetch('/v1/chat/completions', { key, body: { model: 'sandbox/echo', messages: [{ role: 'user', content: 'one two three' }] } });

before(async () => {
  house = await House.start({ mail: true, config: QUICK });
  op = new Person(house);
  house.keep((await house.json('admin', 'user', 'create', '--email', op.email, '--operator')).api_key);
  await op.post('/api/auth/forgot', { email: op.email });
  const { token } = await op.mail('/reset');
  assert.equal((await op.post('/api/auth/reset', { token, password: op.password })).status, 204);
  assert.equal((await op.login()).status, 200);
  await op.me();
  ann = await new Person(house, 'ann_100%@example.com').signUp({ name: 'Ann <b>', company: 'Acme' });
  key = house.keep((await ann.post('/api/keys', { name: 'first' })).json.api_key);
  for (let i = 0; i < 3; i++) assert.equal((await call()).status, 200);
});
after(() => house?.stop());

test('customers: found, opened, given credit, limited, suspended', async () => {
  const find = async (q) => (await op.get(`/api/admin/customers?q=${encodeURIComponent(q)}`)).json.data.map((c) => c.user.email);
  assert.deepEqual(await find('ann_100%'), [ann.email]);
  assert.deepEqual(await find('ACME'), [ann.email]);
  assert.deepEqual(await find('nn%'), []); // no wildcard of SQL's
  assert.ok((await find('')).length >= 3);
  const first = (await op.get('/api/admin/customers?limit=1')).json;
  assert.ok(first.has_more);
  assert.equal((await op.get(`/api/admin/customers?limit=1&cursor=${first.next_cursor}`)).json.data.length, 1);
  const path = `/api/admin/customers/${ann.id}`;
  const c = (await op.get(path)).json;
  assert.equal(c.requests_30d, 3);
  assert.equal(nano(c.balance), nano('10') - nano(c.spent_30d));
  assert.deepEqual([c.user.name, c.keys.length, c.lots.length], ['Ann <b>', 1, 1]);
  const idem = { headers: { 'idempotency-key': 'k1' } };
  const given = await op.post(`${path}/credit`, { amount: '5', reason: 'sorry' }, idem);
  assert.equal(nano(given.json.balance), nano(c.balance) + nano('5'), given.text);
  assert.equal((await op.post(`${path}/credit`, { amount: '5', reason: 'sorry' }, idem)).json.balance, given.json.balance);
  wrong(await op.post(`${path}/credit`, { amount: 'lots', reason: 'x' }), 422, 'validation_failed', undefined);
  wrong(await op.post(`${path}/credit`, { amount: '1', cause: 'x' }), 400, 'invalid_request', 'cause');
  wrong(await op.post('/api/admin/customers/usr_00000000000000000000000000/credit', { amount: '1', reason: 'x' }), 404, 'not_found', undefined);
  assert.equal((await op.post(`${path}/limits`, { rpm: 7, per_day: null })).json.limits.rpm, 7);
  wrong(await op.post(`${path}/limits`, { rpm: 'many' }), 400, 'invalid_request', 'rpm');
  assert.equal((await op.post(`${path}/suspend`)).json.user.suspended, true);
  assert.equal((await call()).status, 401);
  assert.equal((await op.post(`${path}/unsuspend`)).json.user.suspended, false);
  assert.equal((await call()).status, 200);
  const did = (await op.get('/api/admin/audit?limit=100')).json.data.filter((a) => a.actor.email === op.email).map((a) => a.action);
  for (const action of ['credit.add', 'limits.set', 'user.suspend']) assert.ok(did.includes(action), did.join());
});

test('providers, routes, prices', async () => {
  const list = async (what) => (await op.get(`/api/admin/${what}`)).json.data;
  const main = (await list('providers')).find((p) => p.name === 'main');
  assert.ok(main.health.ok && main.health.calls >= 3 && main.health.p50_ms > 0);
  assert.ok(!JSON.stringify(main).includes('PLANTED'));
  assert.equal((await op.post('/api/admin/providers/main/test')).json.ok, true);
  const secret = house.keep('PLANTED-upstream-key');
  assert.equal((await op.post('/api/admin/providers', { name: 'spare', kind: 'openai', base_url: 'http://127.0.0.1:1/v1', api_key: secret })).status, 201);
  wrong(await op.post('/api/admin/providers', { name: 'spare', kind: 'martian', base_url: 'x' }), 422, 'validation_failed', undefined);
  const tried = await op.post('/api/admin/providers/spare/test');
  assert.ok(tried.status >= 400 && !/--/.test(tried.json.error.message), tried.text);
  const route = await op.post('/api/admin/routes', { model: 'spare/*', provider: 'spare', priority: 2 });
  assert.equal(route.status, 201, route.text);
  assert.ok((await list('routes')).some((x) => x.id === route.json.id && x.model === 'spare/*'));
  assert.equal((await op.del(`/api/admin/routes/${route.json.id}`)).status, 204);
  assert.equal((await op.del(`/api/admin/routes/${route.json.id}`)).status, 404);
  assert.equal((await op.post('/api/admin/prices', { model: 'spare/x', input: '0.000001', output: '0.000002' })).status, 201);
  wrong(await op.post('/api/admin/prices', { model: 'spare/x', input: 'much' }), 422, 'validation_failed', undefined);
  assert.ok((await list('prices')).some((p) => p.model === 'spare/x' && p.output === '0.000002'));
  assert.ok((await op.post('/api/admin/prices/sync', { provider: 'main' })).json.priced > 3);
  assert.equal((await op.del('/api/admin/providers/spare')).status, 204);
});

test('a rule is tried before it is made; margin by model and customer', async () => {
  const asked = { model: 'sandbox/*', markup: '100', priority: 50 };
  const before_ = (await op.get('/api/admin/margin')).json;
  const dry = await op.post('/api/admin/pricing-rules/dry-run', asked);
  assert.equal(dry.status, 200, dry.text);
  assert.equal(dry.json.charged, before_.total.charge);
  assert.ok(nano(dry.json.would_charge) > nano(dry.json.charged));
  assert.deepEqual(dry.json.by_model.map((m) => m.model), ['sandbox/echo']);
  assert.equal((await op.post('/api/admin/pricing-rules/dry-run', { ...asked, model: 'elsewhere/*' })).json.would_charge, dry.json.charged);
  const least = (await op.post('/api/admin/pricing-rules/dry-run', { ...asked, min_cost: '1' })).json;
  assert.equal(nano(least.would_charge), nano(String(least.calls)));
  wrong(await op.post('/api/admin/pricing-rules/dry-run', { ...asked, markup: 'much' }), 422, 'validation_failed', 'markup');
  const rules = (await op.get('/api/admin/pricing-rules')).json.data.length;
  const made = await op.post('/api/admin/pricing-rules', asked);
  assert.equal(made.status, 201, made.text);
  assert.equal((await op.get('/api/admin/pricing-rules')).json.data.length, rules + 1);
  const r = await call();
  assert.equal(r.status, 200);
  assert.equal((await op.del(`/api/admin/pricing-rules/${made.json.id}`)).status, 204);
  for (const group of ['model', 'customer']) {
    const m = (await op.get(`/api/admin/margin?group=${group}`)).json;
    assert.equal(m.data.reduce((a, x) => a + nano(x.charge), 0n), nano(m.total.charge));
    assert.equal(nano(m.total.margin), nano(m.total.charge) - nano(m.total.cost));
  }
  assert.ok((await op.get('/api/admin/margin?group=customer')).json.data.some((x) => x.name === ann.email));
  wrong(await op.get('/api/admin/margin?group=planet'), 400, 'invalid_request', 'group');
});

test('settings and health', async () => {
  const s = (await op.get('/api/admin/settings')).json;
  assert.deepEqual([s.signup, s.intro_credit, s.smtp.configured], ['open', '10', true]);
  assert.ok(s.read_only.includes('signup'));
  assert.equal((await op.patch('/api/admin/settings', { limits: { rpm: 9999 } })).json.limits.rpm, 9999);
  wrong(await op.patch('/api/admin/settings', { signup: 'closed' }), 400, 'invalid_request', 'signup');
  const h = (await op.get('/api/admin/health')).json;
  assert.ok(h.uptime_s >= 0 && h.commits.count > 0 && h.store.engine === 'sqlite');
  assert.deepEqual(h.alerts, []);
});
