// Which plays there are, and how much of each belongs to short, full and soak.
import { luck } from './lib/base.mjs';
import { Tap } from './lib/tap.mjs';
import { killed } from './plays/kill.mjs';

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
const wanted = (name) => rest.length === 0 || size !== 'full' || rest.some((r) => name.includes(r));
async function play(name, fn, how = {}) {
  if (wanted(name)) await tap.test(name, (t) => fn(t, runOf(name), how));
}

const full = size === 'full';
await play('a: kill -9 under load of 64 clients', killed, { n: full ? 20 : 5 });
tap.say(`${total.kills} kills, ${total.calls} served calls audited`);
process.exitCode = tap.end();
