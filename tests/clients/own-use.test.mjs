// A key of the provider's for the customer's own use: handed out once, bounded in all, never two.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { House, startSandbox, startUpstream, until } from './lib/house.mjs';
import { Person, QUICK } from './lib/people.mjs';
import { Signer } from './lib/signer.mjs';

const MANAGEMENT = 'PLANTED-management-key', ROUTE = '/api/openrouter-provision';
let house, sandbox, provider, signer, op, mood = '';
const api = async (path, method = 'GET', key = MANAGEMENT, body) => (await fetch(`${sandbox.url}/api/v1${path}`, { method, body: body && JSON.stringify(body), headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' } })).json();
const there = async (p) => (await api('/keys')).data.filter((k) => k.name.includes(p.id) && /own use/.test(k.name));
const wrong = (r, status, code) => assert.deepEqual([r.status, r.json.error.code], [status, code], r.text);
const spend = (key) => api('/chat/completions', 'POST', key, { model: 'openai/gpt-4o', max_tokens: 4000, messages: [{ role: 'user', content: 'word '.repeat(4000) }] });

before(async () => {
  sandbox = await startSandbox('--smtp', '127.0.0.1:0');
  signer = await Signer.start();
  // Before the sandbox stands somebody who may fail in making keys.
  provider = await startUpstream(async (rq, rs, body) => {
    const now = rq.method === 'POST' && rq.url.endsWith('/keys') ? mood : '';
    if (now === 'refuses') { rs.writeHead(429, { 'retry-after': '1' }); return rs.end('{}'); }
    const r = await fetch(sandbox.url + rq.url, { method: rq.method, headers: { authorization: rq.headers.authorization, 'content-type': 'application/json' }, body: body.length ? body : undefined });
    const text = await r.text();
    if (now === 'cuts') return rq.socket.destroy();
    rs.writeHead(r.status, { 'content-type': 'application/json' });
    return rs.end(text);
  });
  house = await House.start({ upstream: `${provider.url}/api/v1`, config: [...QUICK, '[smtp]', `url = smtp://${sandbox.smtp}`, 'from = house@example.com',
    '[openrouter]', 'provider = main', `provisioning_key = ${MANAGEMENT}`, 'limit_reset = monthly', 'own_use_limit = 10', 'check_every = 2s',
    '[jwt]', `issuers = ${signer.url}`, 'audiences = house'] });
  house.sandbox = sandbox;
  house.keep(MANAGEMENT);
  op = new Person(house);
  house.keep((await house.json('admin', 'user', 'create', '--email', op.email, '--operator')).api_key);
  await op.post('/api/auth/forgot', { email: op.email });
  await op.post('/api/auth/reset', { token: (await op.mail('/reset')).token, password: op.password });
  await op.login();
});
after(async () => {
  try { await house?.stop(); } finally { await provider?.stop(); await signer?.stop(); }
});

test('shown once, with its limit, which never resets; not among the keys that calls go by', async () => {
  const p = await new Person(house).signUp();
  const r = await p.post(ROUTE);
  assert.equal(r.status, 200, r.text);
  assert.deepEqual(Object.keys(r.json), ['success', 'apiKey', 'limit', 'isNewKey']);
  assert.deepEqual([r.json.success, r.json.limit, r.json.isNewKey], [true, '10', true]);
  const key = house.keep(r.json.apiKey);
  assert.match(key, /^sk-or-v1-/);
  const [one, ...more] = await there(p);
  assert.equal(more.length, 0);
  assert.deepEqual([one.limit, one.limit_reset, one.include_byok_in_limit], [10, null, true]);
  assert.equal((await spend(key)).object, 'chat.completion');
  const again = await p.post(ROUTE);
  assert.deepEqual(again.json, { success: true, apiKey: null, limit: '10', isNewKey: false });
  assert.equal((await there(p)).length, 1);
  assert.deepEqual((await p.get('/api/audit?action=byok')).json.data.map((l) => [l.action, l.object]), [['byok.create', p.id]]);
  assert.equal((await op.get('/api/admin/upstream-keys')).json.data.filter((x) => x.user.id === p.id).length, 0);
});

test('made anew with what is left of it; the one before is ended', async () => {
  const p = await new Person(house).signUp();
  const key = house.keep((await p.post(ROUTE)).json.apiKey);
  for (let i = 0; i < 3; i++) await spend(key);
  const [before] = await there(p);
  assert.ok(before.usage > 0 && before.limit_remaining < 10);
  const r = await p.post(ROUTE, { rotate: true });
  house.keep(r.json.apiKey);
  assert.equal(r.json.isNewKey, true, r.text);
  assert.equal(Number(r.json.limit), before.limit_remaining);
  const now = await there(p);
  assert.deepEqual(now.map((k) => k.limit), [before.limit_remaining]);
  assert.notEqual(now[0].hash, before.hash);
});

test('many at once get one', async () => {
  const p = await new Person(house).signUp();
  const all = await Promise.all(Array.from({ length: 8 }, () => p.post(ROUTE)));
  const made = all.filter((r) => r.json.apiKey);
  assert.equal(made.length, 1);
  house.keep(made[0].json.apiKey);
  for (const r of all) if (!r.json.apiKey && r.status !== 200) wrong(r, 409, 'in_progress');
  assert.equal((await there(p)).length, 1);
});

test('a provider that says no has made nothing: again, at once', async () => {
  const p = await new Person(house).signUp();
  mood = 'refuses';
  wrong(await p.post(ROUTE), 503, 'upstream_unavailable');
  mood = '';
  const r = await p.post(ROUTE);
  house.keep(r.json.apiKey);
  assert.deepEqual([r.json.isNewKey, r.json.limit], [true, '10']);
});

test('a silence: what was made is ended before another one is', async () => {
  const p = await new Person(house).signUp();
  mood = 'cuts';
  wrong(await p.post(ROUTE), 503, 'upstream_unavailable');
  mood = '';
  const [lost] = await there(p);
  wrong(await p.post(ROUTE), 409, 'in_progress');
  house.sql(`UPDATE byok_key SET claimed_us = claimed_us - 100000000 WHERE user_id = '${p.id}'`); // time goes by
  const r = await p.post(ROUTE);
  house.keep(r.json.apiKey);
  assert.equal(r.json.isNewKey, true, r.text);
  const now = await there(p);
  assert.equal(now.length, 1);
  assert.notEqual(now[0].hash, lost.hash);
});

test('ended at the provider by its operator: no other one', async () => {
  const p = await new Person(house).signUp();
  house.keep((await p.post(ROUTE)).json.apiKey);
  await api(`/keys/${(await there(p))[0].hash}`, 'DELETE');
  wrong(await p.post(ROUTE, { rotate: true }), 409, 'conflict');
  assert.deepEqual(await there(p), []);
});

test('it ends with the account, and when its user is suspended', async () => {
  const p = await new Person(house).signUp(), q = await new Person(house).signUp();
  for (const x of [p, q]) house.keep((await x.post(ROUTE)).json.apiKey);
  assert.equal((await p.del('/api/me', { password: p.password, confirm: p.email })).status, 204);
  await until('the key to end', async () => (await there(p)).length === 0);
  assert.equal(house.sql(`SELECT count(*) FROM byok_key WHERE user_id = '${p.id}'`), '0');
  assert.equal((await op.post(`/api/admin/customers/${q.id}/suspend`)).status, 200);
  await until('that key to end', async () => (await there(q)).length === 0);
});

test('sessions alone, and only where it is on', async () => {
  const jwt = signer.token({ sub: 'x' });
  const r = await house.fetch(ROUTE, { key: jwt, body: {} });
  assert.deepEqual([r.status, (await r.json()).error.code], [403, 'forbidden']);
  assert.equal((await house.fetch(ROUTE, { body: {} })).status, 403); // an API key
  const p = await new Person(house).signUp();
  wrong(await p.post(ROUTE, { amount: '5' }), 400, 'invalid_request');
  await house.halt();
  const { readFileSync, writeFileSync } = await import('node:fs');
  writeFileSync(house.config, readFileSync(house.config, 'utf8').replace('own_use_limit = 10', ''));
  await house.serve();
  wrong(await p.post(ROUTE), 501, 'not_implemented');
});
