// A key made upstream for a user is an outside write that cannot be repeated: whatever dies and
// whatever the provider does, there is one key in the end.
import { createServer } from 'node:http';
import { join } from 'node:path';
import { ended, pause, until } from '../lib/base.mjs';
import { House, startSandbox } from '../lib/house.mjs';
import { must } from '../lib/tap.mjs';
import { Signer } from '../../clients/lib/signer.mjs';
import { database } from './store.mjs';

const PLACES = ['commit-before', 'commit-after', 'write'];
const MANAGEMENT = 'management-key';

function config(signer) {
  return {
    jwt: { issuers: signer.url, audiences: 'house' },
    openrouter: { provider: 'or', provisioning_key: MANAGEMENT },
  };
}

async function furnish(house, url) {
  await house.cli('admin', 'provider', 'add', 'or', '--kind', 'openrouter', '--base-url', `${url}/api/v1`, '--api-key', 'sk-or-1');
}

const atProvider = async (url, sub) => {
  const r = await fetch(`${url}/api/v1/keys`, { headers: { authorization: `Bearer ${MANAGEMENT}` } });
  return (await r.json()).data.filter((k) => k.name.includes(sub));
};

// Until it is confirmed, or the house is dead.
async function provision(house, signer, sub) {
  for (let i = 0; i < 500; i++) {
    const r = await fetch(`${house.url}/api/provision`, {
      method: 'POST', body: '{}',
      headers: { authorization: `Bearer ${signer.token({ sub })}`, 'content-type': 'application/json' },
    }).catch(() => null);
    if (r?.status === 200) return true;
    await Promise.race([ended(house.child), pause(20)]);
    if (house.child.exitCode !== null || house.child.signalCode !== null) return false;
    must(!r || r.status >= 500, `provision: ${r?.status} ${await r?.text()}`);
  }
  throw new Error('provision is never confirmed');
}

const userOf = async (house, sub) =>
  (await house.sql(`SELECT user_id FROM user_identity WHERE subject = '${sub}'`))[0]?.[0];

// The work is over here, and there is one key there: the one that we have.
// False when the house has died meanwhile.
async function settled(house, url, sub, within = 20000) {
  let last = '', dead = false;
  await until(`one key for ${sub}`, within, async () => {
    dead = house.child.exitCode !== null || house.child.signalCode !== null;
    if (dead) return true;
    const user = await userOf(house, sub);
    const rows = user ? await house.sql(`SELECT hash, old_hash FROM upstream_key WHERE user_id = '${user}'`) : [];
    const jobs = await house.sql("SELECT state FROM job_run WHERE kind = 'upstream_key' AND state NOT IN ('done')");
    const there = user ? await atProvider(url, user) : [];
    last = JSON.stringify({ user, rows, jobs, there: there.map((k) => [k.hash, k.name]) });
    return rows.length === 1 && jobs.length === 0 && there.length === 1 && there[0].hash === rows[0][0];
  }).catch((e) => { throw new Error(`${e.message}: ${last}`); });
  return !dead;
}

// One life with a death in it; true when it came to its end without.
async function once(dir, sandbox, signer, fault, postgres, run) {
  const house = new House(dir, { postgres: postgres ? await database() : undefined, config: config(signer) });
  const sub = `s${fault.replace(':', '')}${postgres ? 'p' : ''}`;
  try {
    await house.start();
    await furnish(house, sandbox.url);
    await house.stop();
    let survived = false;
    try {
      await house.start({ fault });
      survived = await provision(house, signer, sub);
      // It may yet die at what the worker writes.
      if (survived) survived = await settled(house, sandbox.url, sub);
    } catch (e) {
      if (!e.early) throw e;
    }
    if (survived) {
      await house.kill('SIGTERM');
    } else {
      await ended(house.child);
      must(house.child.signalCode === 'SIGKILL', `${fault}: it ended with ${house.child.signalCode ?? house.child.exitCode}: ${house.lastWords()}`);
      house.kills++;
    }
    await house.start();
    must(await provision(house, signer, sub), `${fault}: the house without faults ended: ${house.lastWords()}`);
    must(await settled(house, sandbox.url, sub), `${fault}: the house without faults ended: ${house.lastWords()}`);
    await house.stop();
    house.remove();
    run.count(house, { served: 0 });
    return survived;
  } catch (e) {
    e.message = `${fault}: ${e.message}`;
    throw e;
  } finally {
    await house.kill();
  }
}

export async function keyAndDeath(t, run, { some, postgres = false }) {
  const sandbox = await startSandbox(t.dir, run.rng.between(1, 1e6));
  const signer = await Signer.start();
  t.cleanup(() => sandbox.stop());
  t.cleanup(() => signer.stop());
  const over = {};
  let deaths = 0, tried = 0;
  const most = { 'commit-before': 40, 'commit-after': 40, write: 120 };
  const faults = PLACES.flatMap((place) => (run.full && !postgres
    ? Array.from({ length: most[place] }, (_, i) => `${place}:${i + 1}`)
    : Array.from({ length: Math.ceil(some / 3) }, () => `${place}:${run.rng.between(1, place === 'write' ? 50 : 14)}`)));
  for (const fault of faults) {
    const [place, n] = fault.split(':');
    if (over[place] && Number(n) > over[place]) continue;
    tried++;
    if (await once(join(t.dir, fault.replace(':', '-')), sandbox, signer, fault, postgres, run)) over[place] = Math.min(over[place] ?? Infinity, Number(n));
    else deaths++;
  }
  return `${tried} lives, ${deaths} deaths; none is reached beyond ${JSON.stringify(over)}`;
}

// Before the sandbox stands somebody who answers the first POST of each user in his own way.
async function moody(sandbox, moods) {
  const met = new Map();
  const server = createServer(async (rq, rs) => {
    const parts = [];
    for await (const d of rq) parts.push(d);
    const body = Buffer.concat(parts).toString();
    const forward = async () => {
      const r = await fetch(sandbox.url + rq.url, { method: rq.method, headers: { authorization: rq.headers.authorization, 'content-type': 'application/json' }, body: body || undefined });
      return [r.status, await r.text()];
    };
    let mood = 'fine';
    if (rq.method === 'POST' && rq.url.endsWith('/keys')) {
      const user = /usr_\w+/.exec(body)[0];
      if (!met.has(user)) met.set(user, moods.shift());
      mood = met.get(user)?.shift() ?? 'fine';
    }
    if (mood === 'refuses for now') { rs.writeHead(429, { 'retry-after': '1' }); return rs.end('{}'); }
    if (mood === 'fails before') { rs.writeHead(502); return rs.end('oops'); }
    if (mood === 'cuts before') return rq.socket.destroy();
    const [status, text] = await forward();
    if (mood === 'cuts after') return rq.socket.destroy();
    if (mood === 'fails after') { rs.writeHead(503); return rs.end('{}'); }
    if (mood === 'answers nonsense') { rs.writeHead(200); return rs.end('<html>'); }
    rs.writeHead(status, { 'content-type': 'application/json' });
    return rs.end(text);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop: () => new Promise((done) => { server.closeAllConnections?.(); server.close(done); }),
  };
}

export async function keyAndProvider(t, run) {
  const sandbox = await startSandbox(t.dir, run.rng.between(1, 1e6));
  const signer = await Signer.start();
  const all = [['refuses for now'], ['fails before'], ['cuts before'], ['cuts after'], ['fails after'], ['answers nonsense'], ['cuts after', 'fails after']];
  const provider = await moody(sandbox, all.map((m) => [...m]));
  t.cleanup(() => sandbox.stop());
  t.cleanup(() => signer.stop());
  t.cleanup(() => provider.stop());
  const house = new House(join(t.dir, 'house'), { config: config(signer) });
  t.cleanup(() => house.kill());
  await house.start();
  await furnish(house, provider.url);
  for (let i = 0; i < all.length; i++) must(await provision(house, signer, `m${i}`), `it ended: ${house.lastWords()}`);
  await Promise.all(all.map((_, i) => settled(house, sandbox.url, `m${i}`, 60000)));
  await house.stop();
  return `${all.length} users, one key each`;
}
