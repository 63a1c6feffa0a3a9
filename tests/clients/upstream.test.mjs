// Keys of single users at the provider, and the jobs that make them, as operators see them.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { House, until } from './lib/house.mjs';
import { Person, QUICK } from './lib/people.mjs';

let house, operator, ada, key, houseKey;
const lastKey = async () => (await house.sandbox.ledger()).requests.at(-1).key;
const MANAGEMENT = 'PLANTED-management-key';
const atProvider = async () => {
  const r = await fetch(`${house.sandbox.url}/api/v1/keys`, { headers: { authorization: `Bearer ${MANAGEMENT}` } });
  return (await r.json()).data;
};
const list = async () => (await operator.get('/api/admin/upstream-keys')).json.data;
const chat = (apiKey) => fetch(`${house.url}/v1/chat/completions`, {
  method: 'POST', headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
  body: JSON.stringify({ model: 'sandbox/echo', messages: [{ role: 'user', content: 'hi' }] }) });
const jobs = async (query = '') => (await operator.get(`/api/admin/jobs?limit=100${query}`)).json.data;

before(async () => {
  house = await House.start({ mail: true, config: [...QUICK, '[openrouter]', 'provider = main', `provisioning_key = ${MANAGEMENT}`, 'limit_reset = monthly', 'check_every = 2s'] });
  house.keep(MANAGEMENT);
  operator = new Person(house, 'operator@example.com');
  const made = await house.json('admin', 'user', 'create', '--email', operator.email, '--operator');
  house.keep(made.api_key);
  await operator.post('/api/auth/forgot', { email: operator.email });
  const { token } = await operator.mail('/reset');
  assert.equal((await operator.post('/api/auth/reset', { token, password: operator.password })).status, 204);
  assert.equal((await operator.login()).status, 200);
  await operator.me();
  ada = await new Person(house).signUp();
});
after(async () => {
  if (process.env.SHOW) console.log(house.child.log);
  await house?.stop();
});

test('a key is made with the credit as its limit, and his calls go by it', async () => {
  const r = await ada.post('/api/provision', {});
  assert.equal(r.status, 200, r.text);
  assert.equal(r.json.isNewKey, true);
  key = house.keep(r.json.apiKey);
  const row = await until('the upstream key', async () => (await list()).find((x) => x.user.id === ada.id));
  assert.deepEqual([row.exists, row.limit, row.rotated_at, row.user.email], [true, '10', null, ada.email]);
  const [there, ...more] = await atProvider();
  assert.equal(more.length, 0);
  assert.deepEqual([there.limit, there.limit_reset, there.include_byok_in_limit], [10, 'monthly', true]);
  assert.ok(there.name.includes(ada.id));
  assert.equal((await chat(key)).status, 200);
  const own = await lastKey();
  assert.equal((await chat(house.key)).status, 200); // who has none goes by the house's
  houseKey = await lastKey();
  assert.notEqual(own, houseKey);
});

test('asking again makes no other one', async () => {
  const r = await ada.post('/api/provision', {});
  assert.deepEqual([r.json.isNewKey, r.json.apiKey], [false, null]);
  assert.equal((await atProvider()).length, 1);
});

test('credit moves the limit', async () => {
  const used = (await atProvider())[0].usage;
  await house.json('admin', 'credit', 'add', '--user', ada.email, '--amount', '5', '--reason', 'test');
  const there = await until('the new limit', async () => (await atProvider()).find((k) => k.limit > 14));
  assert.ok(there.limit > 14.9 && there.limit <= 15 + used, String(there.limit));
  const row = await until('what was seen', async () => (await list()).find((x) => x.user.id === ada.id && Number(x.limit) > 14));
  assert.ok(Number(row.limit_remaining) > 14.9);
  assert.ok(row.usage_monthly && row.byok_usage_monthly === '0' && row.checked_at);
  const { user, ...state } = row;
  const customer = (await operator.get(`/api/admin/customers/${ada.id}`)).json;
  assert.deepEqual(Object.keys(customer.upstream_key).sort(), Object.keys(state).sort());
  assert.deepEqual((await operator.get(`/api/admin/customers/${operator.id}`)).json.upstream_key, { exists: false });
});

test('rotated by the operator: another key at once, the old one a minute later', async () => {
  const before = (await atProvider())[0].hash;
  const r = await operator.post(`/api/admin/upstream-keys/${ada.id}/rotate`);
  assert.equal(r.status, 202, r.text);
  await until('the other key', async () => (await list()).find((x) => x.user.id === ada.id)?.rotated_at);
  const there = await atProvider();
  assert.deepEqual(there.length, 2);
  assert.equal((await chat(key)).status, 200);
  const twice = await operator.post(`/api/admin/upstream-keys/${ada.id}/rotate`);
  assert.equal(twice.status, 409);
  const job = await until('its end to be waited for', async () => (await jobs('&kind=upstream_key&state=sleeping'))[0]);
  assert.equal(job.step, 'retire');
  const shown = (await operator.get(`/api/admin/jobs/${job.id}`)).json;
  assert.deepEqual(shown.steps.map((s) => [s.name, s.state]), [['make', 'done'], ['retire', 'sleeping']]);
  assert.equal((await operator.post(`/api/admin/upstream-keys/usr_01KDVDNA00FNV3W4X8N27SMATH/rotate`)).status, 404);
  assert.ok(there.some((k) => k.hash === before));
});

test('a key that the provider refuses is gone without, and looked at soon', async () => {
  const p = await new Person(house).signUp();
  const apiKey = house.keep((await p.post('/api/provision', {})).json.apiKey);
  const there = await until('the key', async () => (await atProvider()).find((k) => k.name.includes(p.id)));
  const isUsed = async () => (await chat(apiKey)).status === 200 && (await lastKey()) !== houseKey;
  await until('it to be used', isUsed);
  await fetch(`${house.sandbox.url}/api/v1/keys/${there.hash}`, {
    method: 'PATCH', headers: { authorization: `Bearer ${MANAGEMENT}` }, body: '{"limit":0}' });
  assert.ok((await chat(apiKey)).status >= 400, 'over its limit there');
  assert.equal((await chat(apiKey)).status, 200);
  assert.equal(await lastKey(), houseKey);
  await until('its limit to be right again', async () => (await atProvider()).find((k) => k.hash === there.hash).limit > 9);
  await until('it to be used again', isUsed);
});

test('a key that the provider has lost is made again', async () => {
  const eve = await new Person(house).signUp();
  house.keep((await eve.post('/api/provision', {})).json.apiKey);
  const mine = (k) => k.name.includes(eve.id);
  const first = await until('the key', async () => (await atProvider()).find(mine));
  await fetch(`${house.sandbox.url}/api/v1/keys/${first.hash}`, { method: 'DELETE', headers: { authorization: `Bearer ${MANAGEMENT}` } });
  const second = await until('another key', async () => (await atProvider()).find(mine));
  assert.notEqual(second.hash, first.hash);
  // Who goes takes his key along.
  assert.equal((await eve.del('/api/me', { password: eve.password, confirm: eve.email })).status, 204);
  await until('its end', async () => !(await atProvider()).some(mine));
});

test('whoever makes a key by the console has one, too', async () => {
  const p = await new Person(house).signUp();
  house.keep((await p.post('/api/keys', { name: 'x' })).json.api_key);
  await until('his key', async () => (await list()).some((x) => x.user.id === p.id));
});

test('jobs: what fails is shown, tried again, ended', async () => {
  const nobody = new Person(house, 'reject-me@example.com'); // the mail server knows no such person
  assert.equal((await nobody.post('/api/auth/signup', { email: nobody.email, password: nobody.password })).status, 202);
  const job = await until('the mail to be given up', async () => (await jobs('&kind=mail&state=needs_attention'))[0]);
  assert.equal(job.attempts_max, 14);
  assert.match(job.error, /550/);
  assert.ok(!JSON.stringify(await jobs()).includes('reject-me'), 'the list says nothing about people');
  const again = await operator.post(`/api/admin/jobs/${job.id}/retry`);
  assert.equal(again.status, 200, again.text);
  await until('it to fail again', async () => (await operator.get(`/api/admin/jobs/${job.id}`)).json.state === 'needs_attention');
  assert.equal((await operator.post(`/api/admin/jobs/${job.id}/cancel`)).status, 200);
  assert.equal((await operator.get(`/api/admin/jobs/${job.id}`)).json.state, 'cancelled');
  assert.equal((await operator.post(`/api/admin/jobs/${job.id}/retry`)).status, 409);
  assert.equal((await operator.get('/api/admin/jobs/job_01KDVDNA00FNV3W4X8N27SMATH')).status, 404);
  assert.equal((await operator.get('/api/admin/jobs?cursor=x')).status, 400);
  const page = (await operator.get('/api/admin/jobs?limit=2')).json;
  assert.ok(page.has_more && page.data.length === 2);
  const next = (await operator.get(`/api/admin/jobs?limit=2&cursor=${page.next_cursor}`)).json;
  assert.ok(next.data[0].id < page.data[1].id);
  const audit = (await operator.get('/api/admin/audit?action=job.retry')).json.data;
  assert.equal(audit[0]?.object, job.id);
});
