// Sums that must agree, and wallets that must not be overdrawn.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { House, PROMPT, until } from './lib/house.mjs';

let house;
before(async () => { house = await House.start(); });
after(() => house?.stop());

// Nine places, as whole numbers: sums of doubles are no sums of money.
const nano = (usd) => BigInt(Math.round(Number(usd) * 1e9));
const ask = (extra) => ({ model: 'sandbox/echo', messages: [{ role: 'user', content: PROMPT }], ...extra });
const settled = () => until('every hold to end', async () => {
  const v = await house.verify();
  return v.open_holds === 0 && v;
}, 20000);

async function costOf(response) {
  const text = await response.text();
  if (!response.headers.get('content-type').startsWith('text/event-stream')) return nano(JSON.parse(text).usage.cost);
  const usage = text.split('\n\n').filter((e) => e.includes('"usage":{')).map((e) => JSON.parse(e.slice(6)).usage);
  assert.equal(usage.length, 1);
  return nano(usage[0].cost);
}

test('the sum of usage.cost is the total, and what is missing of the balance', async () => {
  let sum = 0n, calls = 0;
  for (const model of ['sandbox/echo', 'sandbox/tokens-1000-50', 'sandbox/cached-10', 'sandbox/reasoning-10', 'sandbox/zero-usage', 'sandbox/byok'])
    for (const extra of [{}, { stream: true, stream_options: { include_usage: true } }]) {
      const r = await house.fetch('/v1/chat/completions', { body: ask({ model, ...extra }) });
      assert.equal(r.status, 200, model);
      sum += await costOf(r);
      calls++;
    }
  const u = await house.usage();
  assert.equal(nano(u.total_cost), sum);
  assert.equal(nano(u.balance), nano(10) - sum);
  assert.equal(u.total_requests, calls);
  assert.equal(u.recent.reduce((n, l) => n + nano(l.cost_usd), 0n), sum);
  assert.equal(u.by_model.reduce((n, m) => n + nano(m.cost_usd), 0n), sum);
  const v = await settled();
  assert.equal(v.ok, true);
  assert.equal(await house.metric('tollgate_charged_nanodollars_total'), Number(sum));
});

test('200 clients at once on a wallet of $0.01', async () => {
  const { api_key: key } = await house.json('admin', 'user', 'create', '--email', 'cent@example.com', '--credit', '0.01');
  house.keep(key);
  // Each may cost up to about $0.0007, so that some fourteen fit at a time.
  const body = ask({ model: 'sandbox/tokens-500-700', max_tokens: 900 });
  let charged = 0n;
  const counts = {};
  await Promise.all(Array.from({ length: 200 }, async (_, i) => {
    const stream = i % 2 === 1 ? { stream: true, stream_options: { include_usage: true } } : {};
    const r = await house.fetch('/v1/chat/completions', { key, body: { ...body, ...stream } });
    counts[r.status] = (counts[r.status] ?? 0) + 1;
    if (r.status === 200) charged += await costOf(r);
    else {
      assert.equal(r.status, 402, await r.text());
      assert.equal(r.headers.get('x-should-retry'), 'false');
    }
  }));
  const u = await house.usage(key);
  const v = await settled();
  assert.ok(counts[200] >= 5 && counts[402] > 100, JSON.stringify(counts));
  assert.ok(charged <= nano(0.01), `${charged}`);
  assert.equal(nano(u.total_cost), charged);
  assert.equal(nano(u.balance), nano(0.01) - charged);
  assert.equal(v.ok, true);
  assert.equal(v.open_holds, 0);
  assert.equal(await house.metric('tollgate_ledger_holds_open'), 0);
  // The sandbox has served exactly those that were charged.
  const served = (await house.sandbox.ledger()).requests.filter((q) => q.model === 'sandbox/tokens-500-700');
  assert.equal(served.length, counts[200]);
});

test('killed in the middle of calls, started again: nothing lost, nothing doubled', async () => {
  const { api_key: key } = await house.json('admin', 'user', 'create', '--email', 'crash@example.com', '--credit', '1');
  house.keep(key);
  let charged = 0n, answered = 0;
  const calls = Array.from({ length: 24 }, async (_, i) => {
    const model = i < 12 ? 'sandbox/echo' : 'sandbox/stream-500-20'; // ten seconds: it does not get that far
    const r = await house.fetch('/v1/chat/completions', { key, body: ask({ model, stream: i >= 12, ...(i >= 12 ? { stream_options: { include_usage: true } } : {}) }) });
    charged += await costOf(r);
    answered++;
  });
  for (const call of calls) call.catch(() => {}); // they are looked at below
  await Promise.all(calls.slice(0, 12));
  await house.halt('SIGKILL');
  await Promise.allSettled(calls);
  assert.equal(answered, 12);
  await house.serve();
  const v = await settled();
  assert.equal(v.ok, true);
  const lines = (await house.usage(key)).recent;
  assert.equal(lines.filter((l) => l.model === 'sandbox/echo').reduce((n, l) => n + nano(l.cost_usd), 0n), charged);
  const cut = lines.filter((l) => l.model !== 'sandbox/echo');
  const listed = (await house.json('ledger', 'unresolved')).map((l) => l.request_id);
  const served = (await house.sandbox.ledger()).requests.filter((q) => q.model === 'sandbox/stream-500-20');
  for (const q of served) {
    const line = cut.find((l) => l.request_id === q.client_request_id);
    assert.ok(line, `${q.client_request_id} was served`);
    assert.ok(line.cost_usd > 0 || listed.includes(line.request_id), 'charged, or listed');
  }
});
