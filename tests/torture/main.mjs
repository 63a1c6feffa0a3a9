// Which plays there are, and how much of each belongs to short, full and soak.
import { luck } from './lib/base.mjs';
import { Tap } from './lib/tap.mjs';
import { canary } from './plays/canary.mjs';
import { allocations, places, verbs } from './plays/faults.mjs';
import { keyAndDeath, keyAndProvider } from './plays/jobs.mjs';
import { killed, whileUpstreamHangs } from './plays/kill.mjs';
import { noticed, sold } from './plays/money.mjs';
import { subscribed } from './plays/plan.mjs';
import { deafReceipts, loose, stalled } from './plays/loose.mjs';
import { database, fullDisk, postgresDies, second } from './plays/store.mjs';
import { drained, greedy } from './plays/wallet.mjs';

const [size = 'short', ...rest] = process.argv.slice(2);
if (!['short', 'full', 'soak'].includes(size)) {
  console.error('usage: tests/torture/run short|full [PLAY…] | soak SECONDS');
  process.exit(2);
}
const seed = process.env.TORTURE_SEED ?? String(Math.floor(Math.random() * 1e9));
const tap = new Tap();
const total = { kills: 0, calls: 0 };
tap.say(`seed ${seed}: TORTURE_SEED=${seed} tests/torture/run ${process.argv.slice(2).join(' ')}`);

function runOf(name) {
  return {
    rng: luck(`${seed} ${name}`),
    full: size === 'full',
    count: (house, a) => { total.kills += house.kills; total.calls += a.served; },
  };
}
const wanted = (name) => rest.length === 0 || size === 'soak' || rest.some((r) => name.includes(r));
async function play(name, fn, how = {}) {
  if (wanted(name)) await tap.test(name, (t) => fn(t, runOf(name), how));
}

const full = size === 'full';
const onPostgres = (fn) => async (t, run, how) => fn(t, run, { ...how, postgres: await database() });

async function list() {
  await play('the auditor notices forgeries', canary);
  await play('a: kill -9 under load of 64 clients', killed, { n: full ? 20 : 5 });
  if (full) await play('a: kill -9 while the upstream hangs', whileUpstreamHangs);
  await play('b: death at the n-th commit and statement', places,
    { most: full ? { 'commit-before': 200, 'commit-after': 200, write: 1000 } : { 'commit-before': 45, 'commit-after': 45, write: 160 }, some: 3 });
  if (full) await play('b: death at a commit and statement, PostgreSQL', places,
    { most: { 'commit-before': 40, 'commit-after': 40, write: 140 }, some: 8, postgres: true });
  await play('b: death of the command line at the n-th commit and statement', verbs, { some: 4 });
  await play('c: death at the n-th allocation', allocations, { most: full ? 1500 : 600, step: 6, some: 4 });
  await play('d: SIGTERM under load', drained, { rounds: full ? 5 : 1 });
  await play('e: 200 clients on a wallet of $0.01', greedy);
  await play('e: 200 clients on a cap of $0.01', greedy, { capped: true });
  await play('e: 200 clients on a wallet of $0.01, and kills', greedy, { kills: full ? 6 : 2 });
  await play('e: answers that cost more than was held', greedy, { overrun: true, kills: full ? 2 : 1 });
  await play('f: a full disk', fullDisk, { rounds: full ? 6 : 1 });
  await play('g: a second process', second);
  await play('g: a second process, PostgreSQL', second, { postgres: true });
  await play('h: kill -9 under load, PostgreSQL', onPostgres(killed), { n: full ? 5 : 2 });
  await play('h: SIGTERM under load, PostgreSQL', onPostgres(drained), { rounds: full ? 3 : 1 });
  await play('h: 200 clients on a wallet of $0.01, PostgreSQL', onPostgres(greedy), { kills: full ? 3 : 1 });
  await play('h: PostgreSQL dies under load', postgresDies, { rounds: full ? 8 : 2 });
  await play('i: kill -9 under load, overlap', loose, { durability: 'overlap', n: full ? 10 : 3 });
  await play('i: kill -9 under load, relaxed', loose, { durability: 'relaxed', n: full ? 10 : 3 });
  await play('j: upstreams that stall, hang and cut', stalled, { clients: full ? 12 : 2 });
  await play('k: death at the n-th commit and statement while a key is made upstream', keyAndDeath, { some: 6 });
  if (full) await play('k: the same, PostgreSQL', onPostgres(keyAndDeath), { some: 12 });
  await play('k: a provider that times out after the work, fails, refuses', keyAndProvider);
  await play('l: the auditor of sales notices forgeries', noticed);
  for (const [what, fn] of [['credit is sold', sold], ['a plan is sold', subscribed]]) {
    for (const [place, last, step] of [['commit-before', 150, 1], ['commit-after', 150, 1], ['write', 700, 5]]) {
      await play(`l: death at ${place} while ${what}`, fn, { place, last, step, some: 2 });
      if (full) await play(`l: death at ${place} while ${what}, PostgreSQL`, fn, { place, last, some: 20, postgres: true });
    }
    if (!full) await play(`l: death at a statement while ${what}, PostgreSQL`, fn, { place: 'write', last: 400, some: 1, postgres: true });
  }
  if (full) await play('j: an upstream that keeps receipts to itself', deafReceipts);
}

// One after another until the time is over.
async function soak(seconds) {
  const end = Date.now() + seconds * 1000;
  const { pick, between } = luck(seed);
  for (let i = 1; Date.now() < end; i++) {
    const [name, fn, how] = pick([
      ['kill -9', killed, { n: between(5, 20), clients: between(8, 128) }],
      ['kill -9, PostgreSQL', onPostgres(killed), { n: between(3, 8) }],
      ['SIGTERM', drained, { rounds: 3 }],
      ['a wallet of $0.01', greedy, { kills: between(0, 6) }],
      ['a cap of $0.01', greedy, { capped: true, kills: between(0, 6) }],
      ['more than was held', greedy, { overrun: true, kills: between(0, 3) }],
      ['a full disk', fullDisk, { rounds: 3 }],
      ['overlap', loose, { durability: 'overlap', n: 5 }],
      ['relaxed', loose, { durability: 'relaxed', n: 5 }],
      ['death at a commit or statement', places, { most: { 'commit-before': 45, 'commit-after': 45, write: 160 }, some: 3 }],
      ['death at a statement while credit is sold', sold, { place: 'write', last: 700, some: 5 }],
      ['death at a statement while a plan is sold', subscribed, { place: 'write', last: 700, some: 5 }],
      ['death at an allocation', allocations, { most: 600, some: 3 }],
    ]);
    await play(`${i}: ${name}`, fn, how);
  }
}

if (size === 'soak') await soak(Number(rest[0] ?? 60));
else await list();
tap.say(`${total.kills} kills, ${total.calls} served calls audited`);
process.exit(tap.end());
