// Drain, and wallets that many want to empty at once.
import { audit } from '../lib/audit.mjs';
import { nano, usd } from '../lib/base.mjs';
import { CALM, Load } from '../lib/load.mjs';
import { must } from '../lib/tap.mjs';
import { alive, open, settle } from './kill.mjs';

// SIGTERM under load: whoever was let in is served to the end.
export async function drained(t, run, { rounds, ...how }) {
  const { house, sandbox } = await open(t, run, { ...how, users: { 'rich@example.com': '1000' } });
  const seen = [];
  let slowest = 0;
  for (let i = 0; i < rounds; i++) {
    const load = new Load(house, { rng: run.rng, keys: [house.keys['rich@example.com'].key], mix: CALM, clients: 64 });
    load.run();
    await alive(house, load.after(run.rng.between(100, 600)));
    const began = performance.now();
    house.child.kill('SIGTERM');
    load.once('answer', function look(r) {
      if (r.error) load.stop();
      else load.once('answer', look);
    });
    const end = await house.kill('SIGTERM');
    slowest = Math.max(slowest, performance.now() - began);
    must(end.code === 0, `exit status ${end.signal ?? end.code}: ${house.lastWords()}`);
    await load.stop();
    seen.push(...load.seen);
    await house.start();
  }
  const torn = seen.filter((r) => r.status === 200 && !r.complete);
  must(torn.length === 0, `${torn.length} answers were torn: ${JSON.stringify(torn[0])}`);
  const odd = seen.filter((r) => r.status && r.status !== 200 && r.code !== 'draining');
  must(odd.length === 0, `${odd.length} were refused: ${JSON.stringify(odd[0])}`);
  const a = await audit(house, sandbox, { seen, unresolved: 0 });
  const told = new Set(seen.filter((r) => r.status === 200).map((r) => r.id));
  const lost = (await sandbox.served()).entries.filter((e) => e.status === 200 && !told.has(e.client_request_id));
  must(lost.length === 0, `${lost.length} of ${a.served} were served, and nobody was told: ${JSON.stringify(lost[0])}`);
  must(a.served === a.answered, `${a.served} were served, ${a.answered} were answered`);
  run.count(house, a);
  await house.stop();
  return `${rounds} drains, ${a.answered} answers, all whole; slowest ${Math.round(slowest)} ms`;
}

const GREEDY = [
  { weight: 20, model: 'sandbox/echo', max: 60 },
  { weight: 10, model: 'sandbox/stream-30-1', stream: true, max: 40 },
  { weight: 6, model: 'sandbox/delay-20', max: 50 },
  { weight: 3, model: 'sandbox/cut-3', stream: true, max: 20 },
  { weight: 3, model: 'sandbox/flaky-30', max: 30 },
  { weight: 1, model: 'sandbox/stream-20-1', stream: true }, // holds all that is left
];

// Upstreams that say more than they were allowed to: each answer costs more than was held for it.
const OVERRUN = [
  { weight: 2, model: 'sandbox/tokens-100-4000', max: 100, stays: true },
  { weight: 1, model: 'sandbox/tokens-10-30', max: 100, stays: true },
  { weight: 1, model: 'sandbox/tokens-100-3000', max: 100, stream: true, stays: true },
];

// 200 clients at once on $0.01 (of a wallet, or of a key's cap).
export async function greedy(t, run, { capped = false, overrun = false, kills = 0, ...how }) {
  const { house, sandbox } = await open(t, run, { ...how, users: { 'poor@example.com': capped ? '100' : '0.01' } });
  if (capped) await house.key('capped', 'poor@example.com', '--cap', '0.01');
  const key = house.keys[capped ? 'capped' : 'poor@example.com'];
  const limit = nano('0.01');
  const load = new Load(house, { rng: run.rng, keys: [key.key], mix: overrun ? OVERRUN : GREEDY, clients: 200, leave: 0.05 });
  let refused = 0, answers = 0, inRow = 0;
  // All start at once and go on until nobody has got anything for a long while.
  const over = new Promise((done) => load.on('answer', (r) => {
    const no = r.status === 402 || r.code === 'spend_cap_reached';
    answers++;
    if (no) refused++;
    inRow = no ? inRow + 1 : r.status === 200 ? 0 : inRow;
    if (inRow >= 1500 || answers > 60000) done();
  }));
  load.run();
  for (let i = 0; i < kills; i++) {
    await alive(house, Promise.race([load.after(run.rng.between(3, 25)), over]));
    load.pause();
    await house.kill();
    await house.start();
    load.resume();
  }
  await alive(house, over);
  await load.stop();
  await settle(house);
  const a = await audit(house, sandbox, { seen: load.seen });
  let charged = 0n;
  for (const line of a.map.values()) charged += line.paid;
  must(charged > 0n, 'nothing was charged at all');
  must(charged <= limit, `${usd(charged)} charged of $0.01`);
  const off = [...a.map.values()].filter((l) => l.written_off !== 0n).length;
  must(!overrun || off > 0, 'nothing was written off');
  if (capped) {
    // The cap's own account has counted the same.
    const [[balance]] = await house.sql('SELECT balance FROM ledger_account WHERE kind = 1');
    must(-BigInt(balance) === charged, `the cap has counted ${balance}, charged ${charged}`);
  }
  run.count(house, a);
  await house.stop();
  return `${a.served} served, ${usd(charged)} charged, ${refused} refused, ${off} written off${kills ? `, ${kills} kills` : ''}`;
}
