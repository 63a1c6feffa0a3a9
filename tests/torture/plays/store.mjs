// The disk is full; two processes want one house; PostgreSQL goes away.
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { audit } from '../lib/audit.mjs';
import { ended, execute, until } from '../lib/base.mjs';
import { House, startSandbox } from '../lib/house.mjs';
import { CALM, Load } from '../lib/load.mjs';
import { must, skip } from '../lib/tap.mjs';
import { alive, keysOf, open, readyInTime, settle, told } from './kill.mjs';

const SQL = join(process.env.TOLLGATE_BUILD, 'torture-sql');
let databases = 0;

// A new, empty database in the PostgreSQL that stands beside the tests.
export async function database(server = process.env.TOLLGATE_TEST_POSTGRES) {
  if (!server) skip('no PostgreSQL here');
  const name = `torture_${process.pid}_${++databases}`;
  const r = await execute(SQL, [server, `CREATE DATABASE ${name}`]);
  if (r.code !== 0) throw new Error(r.err);
  return server.replace('/postgres?', `/${name}?`);
}

// A file system of few bytes at `dir`, where we may make one.
async function smallDisk(t, dir, size) {
  mkdirSync(dir, { recursive: true });
  const r = await execute('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'tmpfs', dir]);
  if (r.code !== 0) skip('a small disk cannot be made here');
  t.cleanup(() => execute('umount', ['-l', dir]));
}

function fill(path) {
  // In smaller and smaller pieces, until not a byte fits.
  for (let size = 1 << 20; size >= 1; size >>= 1)
    for (;;)
      try { writeFileSync(path, Buffer.alloc(size), { flag: 'a' }); } catch (e) {
        if (e.code !== 'ENOSPC') throw e;
        break;
      }
}

export async function fullDisk(t, run, { rounds }) {
  const data = join(t.dir, 'house', 'data');
  await smallDisk(t, data, '24m');
  const config = { store: { ballast: '2M' } };
  const { house, sandbox } = await open(t, run, { config, users: { 'rich@example.com': '1000' } });
  const filler = join(data, 'filler');
  const seen = [];
  let refused = 0;
  for (let i = 0; i < rounds; i++) {
    const load = new Load(house, { rng: run.rng, keys: keysOf(house), mix: CALM, clients: 32, leave: 0 });
    load.run();
    await alive(house, load.after(run.rng.between(50, 200)));
    fill(filler);
    const full = () => new Promise((done) => load.on('answer', (r) => r.code === 'ledger_unavailable' && done(true)));
    await Promise.race([full(), until('calls are refused', 20000, () => {
      // The log has room of its own inside the database's files for a while.
      try { fill(filler); } catch { /* being freed */ }
      return load.seen.some((r) => r.code === 'ledger_unavailable');
    })]);
    await load.stop();
    seen.push(...load.seen);
    const before = await sandbox.count();
    const quiet = new Load(house, { rng: run.rng, keys: keysOf(house), leave: 0 });
    for (let k = 0; k < 20; k++) {
      const r = await quiet.call({ model: 'sandbox/echo', stays: true }, run.rng.pick(quiet.keys));
      seen.push(r);
      must(r.status === 503 && r.code === 'ledger_unavailable', `on the full disk: ${r.status} ${r.code ?? r.error}`);
      refused++;
    }
    const after = await sandbox.count();
    must(after === before, `${after - before} calls went upstream on a full disk`);
    if (run.rng.chance(0.5)) {
      await house.kill();
      // On the full disk it opens, or says why it does not.
      await house.start().then(() => house.kill(), (e) => {
        must(e.early && house.child.exitCode === 1 && /full|space|disk/i.test(house.lastWords()),
          `started on a full disk: ${e.message}: ${house.lastWords()}`);
      });
      rmSync(filler);
      await house.start();
    } else {
      rmSync(filler);
      // Told to nobody: the house finds the space by itself.
      await until('calls are taken again', 15000, async () =>
        (await quiet.call({ model: 'sandbox/echo', stays: true }, quiet.keys[0])).status === 200);
    }
    quiet.agent.destroy();
  }
  await settle(house);
  const a = await audit(house, sandbox, { seen });
  run.count(house, a);
  await house.stop();
  return `${rounds} times, ${refused} refused before they went upstream; ${told(house, seen, a)}`;
}

// Who comes second is told so, and changes nothing.
export async function second(t, run, { postgres } = {}) {
  const { house, sandbox } = await open(t, run, { postgres: postgres ? await database() : undefined });
  const other = await house.verb(['serve', '--listen', '127.0.0.1:0'], { timeout: 30000 });
  // `serve` has no --json: called again without.
  const args = house.args;
  const r = await execute(process.env.TOLLGATE, ['serve', ...args, '--listen', '127.0.0.1:0'], { timeout: 30000 });
  must(r.code === 1, `the second process: ${r.signal ?? r.code}: ${r.err}`);
  must(/another|already|owned|in use/i.test(r.err), `what the second process says: ${r.err}`);
  must(other.code !== 0, 'serve --json was taken');
  if (postgres) {
    // The same database from another folder is the same house.
    const elsewhere = join(t.dir, 'elsewhere');
    mkdirSync(elsewhere, { mode: 0o700 });
    const s = await execute(process.env.TOLLGATE,
      ['serve', '--data', elsewhere, '--config', house.config, '--database', house.database, '--listen', '127.0.0.1:0'], { timeout: 30000 });
    must(s.code === 1, `the second process from another folder: ${s.signal ?? s.code}: ${s.err}`);
  }
  const load = new Load(house, { rng: run.rng, keys: keysOf(house), leave: 0 });
  const mine = await load.call({ model: 'sandbox/echo', stays: true }, house.keys['rich@example.com'].key);
  load.agent.destroy();
  must(mine.status === 200, `the first process: ${mine.status} ${mine.code}`);
  await house.kill();
  // A lock of the dead is no lock.
  await house.start();
  const a = await audit(house, sandbox, { seen: [mine] });
  run.count(house, a);
  await house.stop();
  return `"${r.err.trim().split('\n').pop()}"`;
}

// A PostgreSQL that may be killed.
async function ownPostgres(t) {
  const r = await execute('tests/lib/pg.sh', ['start']);
  const url = r.out.trim();
  if (!url) skip('no PostgreSQL here');
  const dir = /host=([^&]+)/.exec(url)[1];
  t.cleanup(() => execute('tests/lib/pg.sh', ['stop', url]));
  const root = process.getuid() === 0 ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'] : [];
  const bin = (await execute('bash', ['-c', 'ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1'])).out.trim();
  const again = [...root, `${bin}/pg_ctl`, '-D', `${dir}/data`, '-l', `${dir}/data/server.log`, '-w', '-t', '30', '-s',
    '-o', `-k ${dir} -c listen_addresses= -c max_connections=60`, 'start'];
  return {
    url,
    pid: () => Number(readFileSync(`${dir}/data/postmaster.pid`, 'utf8').split('\n')[0]),
    kill() { process.kill(this.pid(), 'SIGKILL'); },
    async start() {
      // The children of a killed postmaster leave by themselves.
      await until('PostgreSQL stands again', 30000, async () =>
        (await execute(again[0], again.slice(1), { cwd: '/tmp' })).code === 0);
    },
  };
}

// Backends, then the whole server, are killed under load; the house may go on or end, and says why.
export async function postgresDies(t, run, { rounds }) {
  const pg = await ownPostgres(t);
  const { house, sandbox } = await open(t, run, { postgres: await database(pg.url) });
  const load = new Load(house, { rng: run.rng, keys: keysOf(house), clients: 32 });
  load.run();
  const ends = [];
  const words = new Set();
  for (let i = 0; i < rounds; i++) {
    await alive(house, load.after(run.rng.between(50, 300)));
    const whole = i % 2 === 1;
    load.pause();
    if (whole) pg.kill();
    else {
      await execute(SQL, [pg.url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name <> 'nobody' AND pid <> pg_backend_pid() AND datname <> 'postgres'`]);
    }
    load.resume();
    // It ends by itself, or is asked to after it had the time to notice.
    const noticed = await Promise.race([ended(house.child), new Promise((done) => setTimeout(done, 3000, null))]);
    load.pause();
    if (noticed) words.add(house.lastWords().split('\n').filter((l) => l.startsWith('tollgate:')).pop() ?? house.lastWords());
    ends.push(noticed ? `${noticed.signal ?? noticed.code}` : 'went on');
    if (noticed) {
      must(noticed.code !== 0, 'it ended as if all were well');
      must(/postgres|database|connection|store/i.test(house.lastWords()), `no word why: ${house.lastWords()}`);
    } else await house.kill();
    if (whole) await pg.start();
    await house.start();
    load.resume();
  }
  await alive(house, load.after(50));
  await load.stop();
  await settle(house);
  const a = await audit(house, sandbox, { seen: load.seen });
  run.count(house, a);
  await house.stop();
  return `${rounds} deaths of PostgreSQL (${ends}: ${[...words]}); ${told(house, load.seen, a)}`;
}
