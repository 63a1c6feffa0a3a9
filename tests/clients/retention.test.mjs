// What was kept long enough goes: lines of the audit log, keys that have ended. The books stay.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { House, until } from './lib/house.mjs';
import { Person, QUICK } from './lib/people.mjs';

const DAY = 86400e6; // µs
let house, op, ann;
before(async () => {
  house = await House.start({ mail: true, config: [...QUICK, '[retention]', 'audit = 60d', 'ended_keys = 90d'] });
  op = new Person(house);
  house.keep((await house.json('admin', 'user', 'create', '--email', op.email, '--operator')).api_key);
  await op.post('/api/auth/forgot', { email: op.email });
  await op.post('/api/auth/reset', { token: (await op.mail('/reset')).token, password: op.password });
  await op.login();
  ann = await new Person(house).signUp();
});
after(() => house?.stop());

// Not while it runs: then it may have looked at the rows already.
const look = () => until('a look to be taken', async () => {
  const job = (await op.get('/api/admin/jobs?kind=retention')).json.data[0];
  const { status } = await op.post(`/api/admin/jobs/${job.id}/retry`);
  assert.ok(status === 200 || status === 409, String(status));
  return status === 200;
});
const call = (key) => house.fetch('/v1/chat/completions', { key, body: { model: 'sandbox/echo', messages: [{ role: 'user', content: 'one two three' }] } });
const requests = async () => (await ann.get('/api/usage/series')).json.points.reduce((n, p) => n + p.requests, 0);
const keys = async () => (await ann.get('/api/keys')).json.data.map((k) => k.name).sort();

test('a key that ended is forgotten after its time, with its limits; what it spent is not', async () => {
  const make = async (name, more = {}) => {
    const k = (await ann.post('/api/keys', { name, ...more })).json;
    house.keep(k.api_key);
    return k;
  };
  const old = await make('old', { cap: '1', limits: { rpm: 1000 } }), recent = await make('recent'), good = await make('good'), over = await make('over');
  for (const k of [old, recent, good]) assert.equal((await call(k.api_key)).status, 200);
  for (const k of [old, recent]) assert.equal((await ann.post(`/api/keys/${k.id}/revoke`)).status, 200);
  assert.equal(await requests(), 3);
  house.sql(`UPDATE api_key SET revoked_us = revoked_us - ${91 * DAY} WHERE id = '${old.id}'`);
  house.sql(`UPDATE api_key SET revoked_us = revoked_us - ${89 * DAY} WHERE id = '${recent.id}'`);
  house.sql(`UPDATE api_key SET expires_us = created_us - ${91 * DAY} WHERE id = '${over.id}'`);
  assert.equal(house.sql(`SELECT count(*) FROM limit_rule WHERE subject = '${old.id}'`), '1');
  await look();
  await until('the old ones to be forgotten', async () => (await keys()).join() === 'good,recent');
  assert.equal(house.sql(`SELECT count(*) FROM limit_rule WHERE subject = '${old.id}'`), '0');
  assert.equal((await call(old.api_key)).status, 401);
  assert.equal((await call(good.api_key)).status, 200);
  const lines = (await ann.get(`/api/usage/history?start=${new Date(Date.now() - DAY / 1000).toISOString()}`)).json.data;
  assert.deepEqual(lines.map((l) => l.key.name).sort(), ['(deleted key)', 'good', 'good', 'recent']);
  assert.equal(lines.find((l) => l.key.name === '(deleted key)').key.id, old.id);
  const series = (await ann.get('/api/usage/series?group=key')).json;
  assert.ok(series.groups.some((g) => g.id === old.id && g.name === '(deleted key)'));
  for (const group of ['member', 'model']) assert.equal((await ann.get(`/api/usage/series?group=${group}`)).status, 200);
  assert.equal(await requests(), 4);
  await house.halt(); // and once more from what is on disk
  await house.serve();
  assert.equal((await house.verify()).ok, true);
  assert.equal((await call(old.api_key)).status, 401);
  assert.deepEqual(await keys(), ['good', 'recent']);
});

test('lines of the audit log go after their time, and no others', async () => {
  const all = async () => (await op.get('/api/admin/audit?limit=100')).json.data;
  const there = await all();
  assert.ok(there.length > 5);
  // Ids begin with the time: two lines of long ago, one of last month.
  const ulid = (us) => { let t = ''; for (let n = Math.floor(us / 1000), i = 0; i < 10; i++, n = Math.floor(n / 32)) t = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'[n % 32] + t; return `evt_${t}0000000000000000`; };
  for (const days of [400, 61, 59]) {
    const at = Date.now() * 1000 - days * DAY;
    house.sql(`INSERT INTO audit (id, at_us, actor, address, action, object, change_json, team_id) VALUES ('${ulid(at)}', ${at}, 'operator', '', 'test.${days}', '', '{}', '')`);
  }
  await look();
  await until('the old lines to be gone', async () => !(await all()).some((l) => ['test.400', 'test.61'].includes(l.action)));
  const left = await all();
  assert.ok(left.some((l) => l.action === 'test.59'));
  for (const line of there) assert.ok(left.some((l) => l.id === line.id), line.action);
});
