// kill -9 at random moments under load; the same on PostgreSQL; and with less durability.
import { join } from 'node:path';
import { audit } from '../lib/audit.mjs';
import { until } from '../lib/base.mjs';
import { House, startSandbox } from '../lib/house.mjs';
import { Load } from '../lib/load.mjs';
import { must } from '../lib/tap.mjs';

// A furnished house that runs, with a sandbox beside it.
export async function open(t, run, { postgres, config, users = { 'rich@example.com': '1000', 'poor@example.com': '0.3' } } = {}) {
  const sandbox = await startSandbox(t.dir, run.rng.between(1, 1e6));
  t.cleanup(() => sandbox.stop());
  const house = new House(join(t.dir, 'house'), { postgres, config });
  t.cleanup(() => house.child && house.kill());
  await house.start();
  await house.furnish(sandbox);
  for (const [email, credit] of Object.entries(users)) await house.user(email, credit);
  return { house, sandbox };
}

// Until nothing is in flight any more.
export async function settle(house) {
  let v;
  await until('no hold is open', 70000, async () => {
    const r = await house.verb(['ledger', 'verify']);
    v = JSON.parse(r.out || '{}');
    return v.open_holds === 0 || v.ok === false;
  });
}

export function keysOf(house) {
  return Object.values(house.keys).map((k) => k.key);
}

// Waits for something, as long as the house lives.
export function alive(house, promise) {
  const { child } = house;
  let dead;
  const death = new Promise((_, failed) => {
    dead = (code, signal) => failed(new Error(`it ended by itself (${signal ?? code}): ${house.lastWords()}`));
    child.on('exit', dead);
  });
  return Promise.race([promise, death]).finally(() => child.off('exit', dead));
}

// So many kills, each at a random answer; restarts on the same folder.
export async function kills(house, load, rng, n) {
  load.run();
  const moments = [];
  for (let i = 0; i < n; i++) {
    await alive(house, load.after(rng.chance(0.6) ? rng.between(20, 300) : rng.between(300, 1500)));
    for (let turns = rng.below(400); turns > 0; turns--) await null;
    load.pause();
    moments.push(Date.now());
    const end = await house.kill();
    must(end.signal === 'SIGKILL', `it had ended by itself (${end.signal ?? end.code}): ${house.lastWords()}`);
    await house.start();
    load.resume();
  }
  await alive(house, load.after(100));
  await load.stop();
  await settle(house);
  return moments;
}

export function told(house, seen, a) {
  const slowest = Math.round(Math.max(...house.starts.slice(1), 0));
  return `${house.kills} kills, ${seen.length} calls seen by clients, ${a.served} served, ${a.charged} charged, ` +
    `${a.listed} served and listed unresolved, ${a.unresolved} listed in all, ${a.lost} lost, slowest start ${slowest} ms`;
}

export function readyInTime(house) {
  const slow = house.starts.slice(1).filter((ms) => ms > 2000);
  must(slow.length === 0, `ready again only after ${slow.map(Math.round)} ms`);
}

// A second wallet that runs dry, and a key with a cap, so that refusals are in the mix.
export async function killed(t, run, { n, clients = 64, ...how }) {
  const { house, sandbox } = await open(t, run, how);
  await house.key('capped', 'rich@example.com', '--cap', '0.02');
  const load = new Load(house, { rng: run.rng, keys: keysOf(house), clients });
  await kills(house, load, run.rng, n);
  const a = await audit(house, sandbox, { seen: load.seen });
  readyInTime(house);
  run.count(house, a);
  await house.stop();
  return told(house, load.seen, a);
}

// Killed while the upstream hangs: nobody can tell what became of the calls, and the house opens all
// the same.
export async function whileUpstreamHangs(t, run) {
  const { house, sandbox } = await open(t, run);
  const load = new Load(house, { rng: run.rng, keys: keysOf(house) });
  load.run();
  await alive(house, load.after(200));
  sandbox.child.kill('SIGSTOP');
  load.pause();
  await house.kill();
  await house.start({ within: 20000 });
  const took = house.starts.at(-1);
  sandbox.child.kill('SIGCONT');
  load.resume();
  await alive(house, load.after(50));
  await load.stop();
  await settle(house);
  const a = await audit(house, sandbox, { seen: load.seen });
  must(took < 3000, `ready again only after ${Math.round(took)} ms`);
  run.count(house, a);
  await house.stop();
  return told(house, load.seen, a);
}
