// What a customer sees of his money and his calls, as the console asks for it.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { House, until } from './lib/house.mjs';
import { Person, QUICK } from './lib/people.mjs';

let house, ann, key, other;
const nano = (s) => { // decimal text to BigInt nano-dollars
  const [, sign, whole, part = ''] = /^(-?)(\d+)(?:\.(\d{1,9}))?$/.exec(String(s));
  return BigInt(sign + '1') * (BigInt(whole) * 10n ** 9n + BigInt(part.padEnd(9, '0')));
};
const call = (k, model = 'sandbox/echo', content = 'hello there') =>
  house.fetch('/v1/chat/completions', { key: k, body: { model, messages: [{ role: 'user', content }] } });
const wrong = (r, status, field) => {
  assert.equal(r.status, status, r.text);
  assert.equal(r.json.error.field, field, r.text);
};
const calls = []; // { cost, at, completed }
const cost = (list) => list.reduce((a, c) => a + c.cost, 0n);
const DAY = 86_400_000;
// When a call was made, by its id: it counts for that day, whatever day it is by now.
const timeOf = (id) => [...id.slice(4, 14)].reduce((t, c) => t * 32 + '0123456789ABCDEFGHJKMNPQRSTVWXYZ'.indexOf(c), 0);
const dayOf = (ms) => Math.floor(ms / DAY);
const since = `start=${new Date(Date.now() - DAY).toISOString()}`; // else: this month

before(async () => {
  house = await House.start({ mail: true, config: QUICK });
  ann = await new Person(house).signUp();
  key = house.keep((await ann.post('/api/keys', { name: '=cmd|" /C calc"!A0' })).json.api_key);
  other = house.keep((await ann.post('/api/keys', { name: 'other' })).json.api_key);
  for (const [k, model] of [[key, 'sandbox/echo'], [key, 'sandbox/stream-3-1'], [other, 'sandbox/echo'], [other, 'sandbox/error-500']]) {
    const r = await call(k, model);
    await r.text();
    calls.push({ cost: nano(r.headers.get('x-tollgate-cost-usd') ?? '0'), at: timeOf(r.headers.get('x-request-id')), completed: r.status === 200 });
  }
});
after(() => house?.stop());

test('balance, this month, today', async () => {
  const sum = cost(calls);
  assert.ok(sum > 0n);
  const b = (await ann.get('/api/billing/balance')).json;
  assert.equal(nano(b.balance), nano('10') - sum);
  assert.deepEqual([b.held, b.currency, b.state], ['0', 'USD', 'low']);
  const u = (await ann.get('/api/usage/current')).json;
  const [start, end] = [Date.parse(u.period.start), Date.parse(u.period.end)];
  for (const [said, made] of [[u, calls.filter((c) => c.at >= start)], [u.today, calls.filter((c) => dayOf(c.at) === dayOf(end))]]) {
    assert.equal(nano(said.cost), cost(made));
    assert.deepEqual([said.requests, said.failed], [made.length, made.filter((c) => !c.completed).length]);
    assert.equal(said.input_tokens > 0 && said.output_tokens > 0, cost(made) > 0n);
  }
  assert.equal(calls.filter((c) => c.completed).length, 3);
  assert.match(u.period.start, /-01T00:00:00\.000Z$/);
});

test('series add up, whatever they are grouped by', async () => {
  const all = (await ann.get('/api/usage/series')).json;
  const total = all.points.reduce((a, p) => a + nano(p.cost), 0n);
  assert.equal(total, cost(calls));
  assert.deepEqual(all.groups, [{ id: 'all', name: 'all' }]);
  for (const group of ['model', 'key', 'member'])
    for (const bucket of ['hour', 'day']) {
      const s = (await ann.get(`/api/usage/series?group=${group}&bucket=${bucket}`)).json;
      assert.equal(s.points.reduce((a, p) => a + nano(p.cost), 0n), total);
      assert.ok(s.points.every((p) => s.groups.some((g) => g.id === p.group)));
      assert.ok(s.points.every((p) => p.at >= s.start && p.at < s.end));
    }
  const byKey = (await ann.get('/api/usage/series?group=key')).json;
  assert.deepEqual(byKey.groups.map((g) => g.name).sort(), ['=cmd|" /C calc"!A0', 'other']);
  assert.deepEqual((await ann.get('/api/usage/series?group=member')).json.groups.map((g) => g.name), [ann.email]);
  wrong(await ann.get('/api/usage/series?group=colour'), 400, 'group');
  wrong(await ann.get('/api/usage/series?bucket=minute'), 400, 'bucket');
  wrong(await ann.get('/api/usage/series?start=soon'), 400, 'start');
  wrong(await ann.get('/api/usage/series?start=2026-02-01&end=2026-01-01'), 400, 'end');
  wrong(await ann.get('/api/usage/series?bucket=hour&start=2020-01-01&end=2021-01-01'), 422, 'bucket');
});

test('call by call: filters, pages, CSV', async () => {
  const all = (await ann.get(`/api/usage/history?${since}`)).json.data;
  assert.ok(all.length >= 3);
  assert.ok(all.every((l, i) => i === 0 || all[i - 1].request_id > l.request_id));
  assert.equal(all[0].member.email, ann.email);
  const pages = [];
  for (let cursor = ''; cursor !== null;) {
    const p = (await ann.get(`/api/usage/history?${since}&limit=1${cursor && `&cursor=${cursor}`}`)).json;
    pages.push(...p.data);
    cursor = p.next_cursor;
    assert.equal(p.has_more, cursor !== null);
  }
  assert.deepEqual(pages, all);
  const ok = (await ann.get(`/api/usage/history?${since}&status=completed`)).json.data;
  assert.equal(ok.length, 3);
  assert.equal((await ann.get(`/api/usage/history?${since}&model=sandbox/echo&status=completed`)).json.data.length, 2);
  assert.equal((await ann.get(`/api/usage/history?${since}&status=completed&key=${ok[0].key.id}`)).json.data.every((l) => l.key.id === ok[0].key.id), true);
  assert.equal((await ann.get('/api/usage/history?member=usr_00000000000000000000000001')).json.data.length, 0);
  assert.equal((await ann.get('/api/usage/history?end=2020-01-02&start=2020-01-01')).json.data.length, 0);
  wrong(await ann.get('/api/usage/history?status=odd'), 400, 'status');
  wrong(await ann.get('/api/usage/history?key=odd'), 400, 'key');
  wrong(await ann.get('/api/usage/history?cursor=odd'), 400, 'cursor');
  wrong(await ann.get('/api/usage/history?limit=0'), 400, 'limit');
  const csv = await ann.get(`/api/usage/export.csv?${since}`);
  assert.match(csv.headers.get('content-type'), /^text\/csv/);
  assert.match(csv.headers.get('content-disposition'), /usage\.csv/);
  const lines = csv.text.trimEnd().split('\r\n');
  assert.equal(lines.length, all.length + 1);
  assert.ok(lines.some((l) => l.includes(`"'=cmd|"" /C calc""!A0"`)), csv.text); // no formula for a spreadsheet
});

test('lots and transactions say how the balance came about', async () => {
  const lots = (await ann.get('/api/billing/lots')).json.data;
  assert.deepEqual([lots.length, lots[0].kind, lots[0].amount], [1, 'intro', '10']);
  await house.json('admin', 'credit', 'add', '--user', ann.email, '--amount', '2.5', '--reason', 'sorry <b>');
  const t = (await ann.get('/api/billing/transactions')).json.data;
  assert.equal(t.reduce((a, x) => a + nano(x.amount), 0n), nano((await ann.get('/api/billing/balance')).json.balance));
  const days = [...new Set(calls.filter((c) => c.completed).map((c) => dayOf(c.at)))].map(() => 'usage'); // a line each
  assert.deepEqual(t.map((x) => x.kind).sort(), ['credit', 'credit', ...days]);
  assert.ok(t.some((x) => x.description === 'sorry <b>' && x.amount === '2.5'));
  const one = (await ann.get('/api/billing/transactions?limit=1')).json;
  assert.equal(one.has_more, true);
  const rest = (await ann.get(`/api/billing/transactions?limit=5&cursor=${one.next_cursor}`)).json;
  assert.deepEqual([...one.data, ...rest.data], t);
  assert.deepEqual((await ann.get('/api/billing/transactions?kind=usage')).json.data.map((x) => x.kind), days);
  wrong(await ann.get('/api/billing/transactions?kind=gift'), 400, 'kind');
  wrong(await ann.get('/api/billing/transactions?cursor=x'), 400, 'cursor');
});

test('nobody sees the other one’s', async () => {
  const eve = await new Person(house).signUp();
  assert.deepEqual((await eve.get('/api/usage/history')).json.data, []);
  assert.deepEqual((await eve.get('/api/usage/series')).json.points, []);
  assert.equal((await eve.get('/api/usage/export.csv')).text.trimEnd().split('\r\n').length, 1);
  const list = (await ann.get(`/api/usage/history?${since}`)).json.data;
  assert.deepEqual((await eve.get(`/api/usage/history?${since}&key=${list[0].key.id}`)).json.data, []);
  assert.deepEqual((await eve.get('/api/billing/transactions?kind=usage')).json.data, []);
});

test('models with prices, and a key for the playground', async () => {
  await house.json('admin', 'price', 'sync', '--provider', 'main');
  const all = (await ann.get('/api/models')).json.data;
  assert.ok(all.length > 3 && all.every((m) => /^\d+(\.\d+)?$/.test(m.pricing.prompt)));
  const some = (await ann.get('/api/models?q=ECHO')).json.data;
  assert.ok(some.length > 0 && some.length < all.length && some.every((m) => /echo/i.test(m.id + m.name)));
  const p = await ann.post('/api/playground', {});
  assert.equal(p.status, 201, p.text);
  const k = house.keep(p.json.api_key);
  const r = await call(k);
  assert.equal(r.status, 200, await r.text());
  assert.ok((await ann.get('/api/keys')).json.data.every((x) => x.name !== 'Playground'));
  assert.equal((await house.fetch('/keys/list', { key: k })).status, 403); // it can do nothing else
  await until('the call to be listed', async () => (await ann.get(`/api/usage/history?${since}&limit=1`)).json.data[0].key.name === 'Playground');
});
