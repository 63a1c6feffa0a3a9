// Webhooks as their receivers see them: held against the official library of Standard Webhooks.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Webhook } from 'standardwebhooks';
import { House, startUpstream, until, withinAMonth } from './lib/house.mjs';
import { Person, QUICK } from './lib/people.mjs';

let house, owner, receiver, reply;
before(async () => {
  house = await House.start({ mail: true, config: [...QUICK, '[webhooks]', 'private_allowed = yes'] });
  owner = await new Person(house).signUp();
  receiver = await startUpstream((rq, rs) => reply(rq, rs));
});
after(async () => { await receiver?.stop(); await house?.stop(); });

const ok = (rq, rs) => rs.writeHead(204).end();
const says = (status, headers = {}, text = '') => (rq, rs) => rs.writeHead(status, headers).end(text);
const arrived = (path, n = 1) => until(`${n} at ${path}`, () => {
  const all = receiver.seen.filter((r) => r.url === path);
  return all.length >= n && all;
}, 40000);
const wrong = (got, status, code, field) => assert.deepEqual([got.status, got.json.error.code, got.json.error.param ?? got.json.error.field ?? undefined].slice(0, field ? 3 : 2), field ? [status, code, field] : [status, code], got.text);
async function endpoint(path, events = ['*'], who = owner) {
  const r = await who.post('/api/webhooks', { url: receiver.url + path, events });
  assert.equal(r.status, 201, r.text);
  house.keep(r.json.secret.slice(6));
  return r.json;
}
const delivery = async (e, id) => (await owner.get(`/api/webhooks/${e.id}/deliveries/${id}`)).json;
// Refused unless the signature is right.
const read = (secret, m) => new Webhook(secret).verify(m.body.toString(), m.headers);

test('a key that is made and ended: both are told, signed, in order', async () => {
  reply = ok;
  const e = await endpoint('/keys', ['key.created', 'key.revoked']);
  const k = (await owner.post('/api/keys', { name: 'Told' })).json;
  house.keep(k.api_key);
  await arrived('/keys');
  assert.equal((await owner.post(`/api/keys/${k.id}/revoke`)).status, 200);
  const all = (await arrived('/keys', 2)).map((m) => read(e.secret, m));
  assert.deepEqual(all.map((m) => [m.type, m.data.id, m.data.name]), [['key.created', k.id, 'Told'], ['key.revoked', k.id, 'Told']]);
  assert.ok(all[0].sequence < all[1].sequence);
  assert.ok(!JSON.stringify(all).includes(k.api_key));
  assert.match(receiver.seen.at(-1).headers['webhook-id'], /^msg_/);
  const list = (await owner.get(`/api/webhooks/${e.id}/deliveries`)).json.data;
  await until('delivered', async () => (await delivery(e, list[0].id)).status === 'delivered');
  assert.throws(() => read(`whsec_${Buffer.alloc(32).toString('base64')}`, receiver.seen.at(-1)));
});

test('two secrets while one is rotated, then the new one alone', async () => {
  reply = ok;
  const e = await endpoint('/rotate');
  const second = (await owner.post(`/api/webhooks/${e.id}/rotate`, { grace_seconds: 3600 })).json;
  house.keep(second.secret.slice(6));
  assert.notEqual(second.secret, e.secret);
  assert.ok(second.old_secret_until);
  await owner.post(`/api/webhooks/${e.id}/test`);
  const [m] = await arrived('/rotate');
  assert.equal(read(e.secret, m).type, 'webhook.test');
  assert.equal(read(second.secret, m).type, 'webhook.test');
  assert.equal(m.headers['webhook-signature'].split(' ').length, 2);
  const third = (await owner.post(`/api/webhooks/${e.id}/rotate`, { grace_seconds: 0 })).json;
  house.keep(third.secret.slice(6));
  await owner.post(`/api/webhooks/${e.id}/test`);
  const last = (await arrived('/rotate', 2))[1];
  assert.equal(read(third.secret, last).type, 'webhook.test');
  assert.throws(() => read(second.secret, last));
  await owner.del(`/api/webhooks/${e.id}`);
});

test('a failure is written down, tried again after five seconds with the same id, and can be replayed', async () => {
  reply = says(500, {}, 'out of order');
  const e = await endpoint('/flaky', ['balance.low']);
  const d = (await owner.post(`/api/webhooks/${e.id}/test`)).json;
  assert.equal(d.status, 'pending');
  await until('the first try', async () => (await delivery(e, d.id)).tries.length === 1);
  const first = await delivery(e, d.id);
  assert.equal(first.status, 'pending');
  assert.deepEqual([first.tries[0].status, first.tries[0].response, first.response_status], [500, 'out of order', 500]);
  assert.ok((await owner.get(`/api/webhooks/${e.id}`)).json.failing_since);
  const wait = Date.parse(first.next_attempt_at) - Date.parse(first.tries[0].at);
  assert.ok(wait >= 5000 && wait <= 5500, `${wait}`);
  reply = ok;
  const done = await until('the second try', async () => { const x = await delivery(e, d.id); return x.status === 'delivered' && x; }, 20000);
  assert.equal(done.attempts, 2);
  assert.equal((await owner.get(`/api/webhooks/${e.id}`)).json.failing_since, null);
  const [a, b] = await arrived('/flaky', 2);
  assert.equal(a.headers['webhook-id'], b.headers['webhook-id']);
  const again = await owner.post(`/api/webhooks/${e.id}/deliveries/${d.id}/replay`);
  assert.equal(again.status, 202, again.text);
  assert.deepEqual([again.json.replay, again.json.message_id], [true, d.message_id]);
  const range = await owner.post(`/api/webhooks/${e.id}/replay`, { start: new Date(Date.now() - 60000).toISOString(), status: 'delivered' });
  assert.deepEqual([range.status, range.json], [202, { replayed: 1 }], range.text);
  await arrived('/flaky', 4);
});

test('a redirect is a failure, and leads nowhere', async () => {
  reply = (rq, rs) => (rq.url === '/moved' ? says(302, { location: `${receiver.url}/elsewhere` })(rq, rs) : ok(rq, rs));
  const e = await endpoint('/moved', ['balance.low']);
  const d = (await owner.post(`/api/webhooks/${e.id}/test`)).json;
  const tried = await until('the try', async () => { const x = await delivery(e, d.id); return x.attempts >= 1 && x; });
  assert.equal(tried.tries[0].status, 302);
  assert.equal(receiver.seen.filter((r) => r.url === '/elsewhere').length, 0);
});

test('Retry-After is waited for', async () => {
  reply = says(429, { 'retry-after': '3600' });
  const e = await endpoint('/later', ['balance.low']);
  const d = (await owner.post(`/api/webhooks/${e.id}/test`)).json;
  const x = await until('the try', async () => { const y = await delivery(e, d.id); return y.attempts === 1 && y; });
  assert.ok(Date.parse(x.next_attempt_at) - Date.now() > 3500000);
});

test('410 turns it off: the owner hears of it, nothing more is sent until it is turned on', async () => {
  reply = says(410);
  const e = await endpoint('/gone', ['key.created']);
  await owner.post(`/api/webhooks/${e.id}/test`);
  const off = await until('off', async () => { const x = (await owner.get(`/api/webhooks/${e.id}`)).json; return x.status === 'disabled' && x; });
  assert.equal(off.disabled_reason, 'gone');
  const mail = await owner.mail('/webhooks');
  assert.match(mail.text, /turned off/);
  reply = ok;
  house.keep((await owner.post('/api/keys', { name: 'Unheard' })).json.api_key);
  const d = (await owner.post(`/api/webhooks/${e.id}/test`)).json;
  await until('cancelled', async () => (await delivery(e, d.id)).status === 'cancelled');
  assert.equal(receiver.seen.filter((r) => r.url === '/gone').length, 1);
  assert.equal((await owner.patch(`/api/webhooks/${e.id}`, { enabled: true })).json.status, 'enabled');
  await owner.post(`/api/webhooks/${e.id}/test`);
  await arrived('/gone', 2);
});

test('a balance that falls is told once, and again only after it had risen', async () => {
  reply = ok;
  await withinAMonth();
  const p = await new Person(house).signUp(); // $10
  const op = async (amount) => house.ok(['admin', 'credit', 'add', '--user', p.email, '--amount', amount, '--reason', 'x']);
  const e = await endpoint('/money', ['balance.low', 'usage.threshold'], p);
  const key = (await p.post('/api/keys', { name: 'k' })).json;
  house.keep(key.api_key);
  const set = await p.patch('/api/billing/alerts', { balance_low: ['9.999999', '3'], usage: ['0.0000001'] });
  assert.deepEqual(set.json, { balance_low: ['9.999999', '3'], usage: ['0.0000001'] }, set.text);
  const call = () => house.fetch('/v1/chat/completions', { key: key.api_key, body: { model: 'sandbox/echo', messages: [{ role: 'user', content: 'x'.repeat(4000) }] } });
  assert.equal((await call()).status, 200);
  const told = (await arrived('/money', 2)).map((m) => read(e.secret, m));
  const low = told.find((m) => m.type === 'balance.low'), much = told.find((m) => m.type === 'usage.threshold');
  assert.deepEqual([low.data.threshold, much.data.threshold], ['9.999999', '0.0000001']);
  assert.ok(Number(low.data.balance) < 9.999999 && Number(much.data.spent) > 0);
  assert.match((await p.mail('/billing')).text, /running low/);
  assert.equal((await call()).status, 200); // still below: silence
  await op('5'); // armed again
  await new Promise((done) => setTimeout(done, 16000));
  assert.equal(receiver.seen.filter((r) => r.url === '/money').length, 2);
});

test('what cannot be an endpoint', async () => {
  const strict = await House.start({ mail: true, config: QUICK });
  try {
    const p = await new Person(strict).signUp();
    for (const url of ['http://example.com/', 'https://127.0.0.1/', 'https://[::1]/', 'https://10.1.2.3/x', 'https://169.254.169.254/latest', 'https://localhost/', 'ftp://example.com/', 'https://u:p@example.com/', 'nonsense', '', 'https://exa mple.com/'])
      wrong(await p.post('/api/webhooks', { url, events: ['*'] }), 422, 'validation_failed');
    for (const events of [['nothing.such'], [], ['key.created', '']])
      wrong(await p.post('/api/webhooks', { url: 'https://example.com/', events }), 422, 'validation_failed');
    // The guard looks at the address of the connection: a name that leads to a private one is found out.
    const r = await p.post('/api/webhooks', { url: 'https://localtest.invalid/', events: ['*'] });
    assert.equal(r.status, 201, r.text);
    strict.keep(r.json.secret.slice(6));
    for (let i = 1; i < 20; i++) strict.keep((await p.post('/api/webhooks', { url: `https://example.com/${i}`, events: ['key.created'] })).json.secret.slice(6));
    wrong(await p.post('/api/webhooks', { url: 'https://example.com/', events: ['*'] }), 409, 'conflict');
    for (const body of [{ balance_low: ['0'] }, { balance_low: ['1', '1'] }, { usage: ['x'] }, { usage: ['1', '2', '3', '4', '5', '6'] }])
      wrong(await p.patch('/api/billing/alerts', body), 422, 'validation_failed');
    assert.deepEqual((await p.get('/api/billing/alerts')).json, { balance_low: ['5'], usage: [] });
  } finally {
    await strict.stop();
  }
});

test('another team\'s endpoints and deliveries are not there', async () => {
  const other = await new Person(house).signUp();
  const e = await endpoint('/mine', ['balance.low']);
  const d = (await owner.post(`/api/webhooks/${e.id}/test`)).json;
  for (const [method, path] of [['GET', ''], ['PATCH', ''], ['DELETE', ''], ['POST', '/rotate'], ['POST', '/test'], ['GET', '/deliveries'], ['GET', `/deliveries/${d.id}`], ['POST', `/deliveries/${d.id}/replay`]])
    wrong(await other.ask(method, `/api/webhooks/${e.id}${path}`, method === 'GET' ? undefined : {}), 404, 'not_found');
  const their = await endpoint('/theirs', ['balance.low'], other);
  wrong(await other.get(`/api/webhooks/${their.id}/deliveries/${d.id}`), 404, 'not_found');
  assert.equal((await owner.get(`/api/webhooks/${e.id}`)).status, 200);
});
