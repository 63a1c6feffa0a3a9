// Less durability, and upstreams that neither answer nor end.
import http from 'node:http';
import { once } from 'node:events';
import { audit } from '../lib/audit.mjs';
import { until } from '../lib/base.mjs';
import { Load } from '../lib/load.mjs';
import { must } from '../lib/tap.mjs';
import { keysOf, kills, open, readyInTime, settle, told } from './kill.mjs';

// What a crash may take at most: the commits of this long.
const WINDOW_MS = 1000;

// overlap: only calls of which no client has seen a byte. relaxed: only those that ended just before.
export async function loose(t, run, { durability, n, ...how }) {
  const { house, sandbox } = await open(t, run, { ...how, config: { store: { durability } } });
  const load = new Load(house, { rng: run.rng, keys: keysOf(house) });
  const moments = await kills(house, load, run.rng, n);
  const late = (r) => moments.some((at) => r.began <= at && r.ended >= at - WINDOW_MS);
  const byId = new Map(load.seen.filter((r) => r.id).map((r) => [r.id, r]));
  const lossy = durability === 'relaxed' ? late : () => false;
  const mayLose = (entry) => {
    const r = byId.get(entry.client_request_id);
    return r === undefined || (durability === 'relaxed' && late(r));
  };
  // In `relaxed` and `overlap` an answer may be known to the client before its settlement is on disk:
  // then its outcome is asked for, or unknown, after the crash.
  const a = await audit(house, sandbox, { seen: load.seen, mayLose, lossy, asked: late });
  readyInTime(house);
  run.count(house, a);
  await house.stop();
  return told(house, load.seen, a);
}

// Clients that leave, upstreams that stall, hang and cut: each hold ends, and is charged or listed.
export async function stalled(t, run, { clients }) {
  const config = { upstream: { first_byte_timeout: '3s', idle_timeout: '2s', total_timeout: '6s' } };
  const { house, sandbox } = await open(t, run, { config, users: { 'rich@example.com': '1000' } });
  const load = new Load(house, { rng: run.rng, keys: keysOf(house) });
  const kinds = ['sandbox/stall-3', 'plain-stall', 'plain-hang', 'sandbox/delay-600000', 'sandbox/cut-3', 'plain-cut', 'plain-long',
    'quick-stream', 'sandbox/slow-body-600000', 'sandbox/processing-600000'];
  const calls = [];
  for (let i = 0; i < clients; i++)
    for (const model of kinds)
      for (const stream of [true, false])
        calls.push(load.call({ model, stream, leave: i % 2, stays: i % 2 === 0 }, load.keys[0]));
  const seen = await Promise.all(calls);
  load.agent.destroy();
  const began = Date.now();
  await settle(house);
  const took = Date.now() - began;
  must(took < 60000, `the last hold ended after ${took} ms`);
  const a = await audit(house, sandbox, { seen });
  must(a.unresolved > 0, 'nothing is listed');
  run.count(house, a);
  await house.stop();
  return `${seen.length} calls, ${a.served} served, ${a.charged} charged, ${a.unresolved} listed; the last hold ended ${took} ms behind the last client`;
}

// An upstream that cuts its answers, and lets who asks for the receipt wait for ever.
export async function deafReceipts(t, run) {
  const { house, sandbox } = await open(t, run, { users: { 'rich@example.com': '1000' } });
  const sockets = new Set();
  const deaf = http.createServer((rq, res) => {
    if (rq.method === 'GET') return; // never answered
    rq.resume();
    res.writeHead(200, { 'content-type': 'text/event-stream', 'x-generation-id': `gen-${sockets.size}` });
    res.write('data: {"id":"gen-1","object":"chat.completion.chunk","created":1,"model":"deaf","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n',
      () => res.destroy());
  });
  deaf.on('connection', (s) => { sockets.add(s); s.on('error', () => {}); });
  deaf.listen(0, '127.0.0.1');
  await once(deaf, 'listening');
  t.cleanup(() => { sockets.forEach((s) => s.destroy()); deaf.close(); });
  const url = `http://127.0.0.1:${deaf.address().port}`;
  await house.cli('admin', 'provider', 'add', 'deaf', '--kind', 'openrouter', '--base-url', url, '--api-key', 'x');
  await house.cli('admin', 'route', 'add', '--model', 'quick-deaf', '--provider', 'deaf');
  const load = new Load(house, { rng: run.rng, keys: keysOf(house) });
  const seen = await Promise.all(Array.from({ length: 8 }, () =>
    load.call({ model: 'quick-deaf', stream: true, stays: true }, load.keys[0])));
  load.agent.destroy();
  const began = Date.now();
  await until('no hold is open', 90000, async () => (await house.cli('ledger', 'verify')).open_holds === 0);
  const took = Date.now() - began;
  must(took <= 61000, `the last hold ended only after ${took} ms`);
  const a = await audit(house, sandbox, { seen, elsewhere: (line) => line.model === 'quick-deaf' });
  must(a.unresolved === 8, `${a.unresolved} of 8 are listed`);
  await house.stop();
  return `the last hold ended after ${took} ms`;
}
