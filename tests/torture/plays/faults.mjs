// Death at the n-th commit, statement or allocation; what was confirmed is there afterwards, once.
import { join } from 'node:path';
import { audit } from '../lib/audit.mjs';
import { ended, idBytes, nano, pause } from '../lib/base.mjs';
import { House, copyHouse, startSandbox } from '../lib/house.mjs';
import { Load } from '../lib/load.mjs';
import { must } from '../lib/tap.mjs';
import { settle } from './kill.mjs';
import { database } from './store.mjs';

const PLACES = ['commit-before', 'commit-after', 'write'];
const THERE = /exists|already|taken/i; // what somebody says who is alive

class Died extends Error {}

// A life from nothing: each step is repeated after a death until it is confirmed.
class Life {
  constructor(house, sandbox, rng) {
    Object.assign(this, { house, sandbox, rng });
    this.seen = [];
    this.steps = [
      () => this.user('rich@example.com', '1'),
      ...this.furniture().map((args) => () => this.verb(args)),
      () => this.credit('rich@example.com', '0.5', 'k1'),
      () => this.calls(['sandbox/echo', 'sandbox/stream-20-0', 'sandbox/error-500', 'sandbox/echo']),
      () => this.capped(),
      () => this.calls(['sandbox/echo', 'sandbox/stream-5-10', 'sandbox/flaky-50', 'sandbox/delay-20', 'sandbox/cut-3', 'gpt-4o', 'sandbox/no-usage', 'sandbox/echo'], true),
      () => this.user('other@example.com', '0.25'),
      () => this.credit('other@example.com', '0.125', 'k2'),
      () => this.credit('other@example.com', '0.125', 'k2', true),
      () => this.calls(['sandbox/stream-40-5', 'sandbox/echo', 'sandbox/echo'], true),
      () => this.revoke(),
    ];
    this.at = 0;
  }

  furniture() {
    const url = this.sandbox.url;
    return [
      ['admin', 'provider', 'add', 'or', '--kind', 'openrouter', '--base-url', `${url}/api/v1`, '--api-key', 'sk-or-1'],
      ['admin', 'route', 'add', '--model', '*', '--provider', 'or'],
      ['admin', 'price', 'set', '--model', 'sandbox/*', '--input', '0.00000015', '--output', '0.0000006', '--cache-read', '0.000000075'],
      ['admin', 'pricing-rule', 'add', '--model', '*', '--markup', '20'],
    ];
  }

  alive() {
    const c = this.house.child;
    return c.exitCode === null && c.signalCode === null;
  }

  // What failed may have failed because the house has died, of which we hear a little later; on a busy
  // machine, later than that.
  async isDead(within = 10000) {
    await Promise.race([ended(this.house.child), pause(within)]);
    return !this.alive();
  }

  async verb(args) {
    const r = await this.house.verb(args);
    if (r.code === 0) return JSON.parse(r.out);
    if (!THERE.test(r.err) && await this.isDead()) throw new Died(r.err);
    throw Object.assign(new Error(`tollgate ${args.join(' ')}: ${r.err}`), { text: r.err });
  }

  async user(email, credit) {
    let made;
    try {
      made = await this.verb(['admin', 'user', 'create', '--email', email, '--credit', credit]);
    } catch (e) {
      // Created by the try that was not confirmed: with all of its credit, or not at all.
      if (!THERE.test(e.text ?? '')) throw e;
      made = await this.verb(['admin', 'key', 'create', '--user', email, '--name', 'again']);
    }
    this.house.granted.set(email, nano(credit));
    this.house.keys[email] = { key: made.api_key, email, team: idBytes((await this.me(made.api_key)).team_id) };
  }

  async me(key) {
    const r = await fetch(`${this.house.url}/me`, { headers: { authorization: `Bearer ${key}` } }).catch(() => null);
    if (!r || r.status !== 200) {
      if (await this.isDead()) throw new Died('me');
      throw new Error(`/me says ${r?.status}`);
    }
    return r.json();
  }

  async credit(email, amount, key, replay = false) {
    await this.verb(['admin', 'credit', 'add', '--user', email, '--amount', amount, '--reason', 'torture', '--idempotency-key', key]);
    if (!replay) this.house.granted.set(email, this.house.granted.get(email) + nano(amount));
  }

  async capped() {
    const made = await this.verb(['admin', 'key', 'create', '--user', 'rich@example.com', '--name', 'capped', '--cap', '0.01']);
    this.cappedKey = made.api_key;
    this.cappedId = made.key_id;
  }

  async revoke() {
    await this.verb(['admin', 'key', 'revoke', '--key', this.cappedId]);
    this.revoked = true;
  }

  async calls(models, leave = false) {
    const load = new Load(this.house, { rng: this.rng, keys: [], leave: leave ? 0.2 : 0 });
    const keys = [this.house.keys['rich@example.com'].key, ...(this.cappedKey ? [this.cappedKey] : [])];
    const rs = await Promise.all(models.map((model) =>
      load.call({ model, stream: /stream|cut/.test(model) }, this.rng.pick(keys))));
    load.agent.destroy();
    this.seen.push(...rs);
    if (rs.some((r) => r.error) && await this.isDead(300)) throw new Died('calls'); // or cut, or left
  }

  // On from the step that was not confirmed; false: the house died.
  async live() {
    try {
      for (; this.at < this.steps.length; this.at++) await this.steps[this.at]();
      return true;
    } catch (e) {
      if (!(e instanceof Died)) throw e;
      return false;
    }
  }
}

// One life with a death in it; true when it came to its end without.
async function once(dir, sandbox, rng, fault, postgres) {
  await sandbox.clear();
  const house = new House(dir, { postgres: postgres ? await database() : undefined });
  const life = new Life(house, sandbox, rng);
  let survived = false, code = null;
  try {
    try {
      await house.start({ fault });
      if (await life.live()) {
        const end = await house.kill('SIGTERM');
        survived = end.code === 0;
        code = end.code;
      }
    } catch (e) {
      if (!e.early && !(await life.isDead())) throw e;
    }
    must(code === null || code === 0, `${fault}: exit status ${code} after SIGTERM: ${house.lastWords()}`);
    const died = { code: house.child.exitCode, signal: house.child.signalCode };
    must(survived || died.signal === 'SIGKILL' || died.signal === 'SIGABRT',
      `${fault}: it ended with ${died.signal ?? died.code}: ${house.lastWords()}`);
    await house.start();
    must(await life.live(), `${fault}: the house without faults ended: ${house.lastWords()}`);
    await settle(house);
    const a = await audit(house, sandbox, { seen: life.seen });
    const r = await fetch(`${house.url}/v1/models`, { headers: { authorization: `Bearer ${life.cappedKey}` } });
    const check = await fetch(`${house.url}/me`, { headers: { authorization: `Bearer ${life.cappedKey}` } });
    must(check.status === 401 && r.status !== 500, `${fault}: a revoked key is let in: ${check.status}`);
    if (!survived) house.kills++;
    await house.stop();
    house.remove();
    return { survived, a, house };
  } catch (e) {
    e.message = `${fault}: ${e.message}`;
    throw e;
  } finally {
    await house.kill();
  }
}

async function sweep(t, run, faults, postgres) {
  const sandbox = await startSandbox(t.dir, run.rng.between(1, 1e6));
  t.cleanup(() => sandbox.stop());
  let deaths = 0, served = 0, tried = 0;
  const end = {};
  for (const fault of faults) {
    const [place, n] = fault.split(':');
    if (end[place] && Number(n) > end[place]) continue;
    tried++;
    const { survived, a, house } = await once(join(t.dir, fault.replace(':', '-')), sandbox, run.rng, fault, postgres);
    run.count(house, a);
    served += a.served;
    if (survived) end[place] = Math.min(end[place] ?? Infinity, Number(n));
    else deaths++;
  }
  return `${tried} lives, ${deaths} deaths, ${served} calls audited; none is reached beyond ${JSON.stringify(end)}`;
}

// n = 1, 2, 3, … of each place until it is not reached any more (full); else some of them.
export function places(t, run, { most, some, postgres = false }) {
  const faults = [];
  for (const place of PLACES) {
    const last = most[place];
    if (run.full && !postgres) for (let n = 1; n <= last; n++) faults.push(`${place}:${n}`);
    else for (let i = 0; i < some; i++) faults.push(`${place}:${run.rng.between(1, last)}`);
  }
  return sweep(t, run, faults, postgres);
}

export function allocations(t, run, { most, step, some }) {
  const faults = [];
  if (run.full) for (let n = 1; n <= most; n += run.rng.between(1, 2 * step - 1)) faults.push(`alloc:${n}`);
  else for (let i = 0; i < some; i++) faults.push(`alloc:${Math.ceil(most ** run.rng.next())}`);
  return sweep(t, run, faults);
}

// The command line itself dies, on a house that nobody serves.
export async function verbs(t, run, { some }) {
  const first = new House(join(t.dir, 'first'));
  await first.start();
  await first.user('rich@example.com', '1');
  await first.stop();
  const all = [
    [['admin', 'user', 'create', '--email', 'new@example.com', '--credit', '0.5'], 'new@example.com', '0.5'],
    [['admin', 'credit', 'add', '--user', 'rich@example.com', '--amount', '0.25', '--reason', 'x', '--idempotency-key', 'i'], 'rich@example.com', '1.25'],
    [['admin', 'key', 'create', '--user', 'rich@example.com', '--name', 'k', '--cap', '1'], 'rich@example.com', '1'],
    [['admin', 'price', 'set', '--model', 'a', '--input', '0.1', '--output', '0.2'], 'rich@example.com', '1'],
  ];
  const work = [];
  for (const [args, email, want] of all)
    for (const place of PLACES)
      for (let n = 1; n <= 60; n++) work.push({ args, email, want, fault: `${place}:${n}` });
  let deaths = 0;
  const over = new Set();
  const list = run.full ? work : Array.from({ length: some }, () => work[run.rng.below(12) * 60 + run.rng.below(30)]);
  for (const { args, email, want, fault } of list) {
    const sweepOf = `${args} ${fault.split(':')[0]}`;
    if (run.full && over.has(sweepOf)) continue;
    const house = copyHouse(first, join(t.dir, 'copy'));
    const died = await house.verb(args, { program: process.env.TOLLGATE_FAULTY, env: { ...process.env, TOLLGATE_FAULT: fault } });
    if (died.code === 0) over.add(sweepOf);
    else must(died.signal === 'SIGKILL', `${args} with ${fault}: ${died.code} ${died.err}`);
    if (died.signal) deaths++;
    const again = await house.verb(args);
    must(again.code === 0 || THERE.test(again.err), `${args} again after ${fault}: ${again.err}`);
    const v = await house.cli('ledger', 'verify');
    must(v.ok === true, `${args} with ${fault}: ${JSON.stringify(v)}`);
    const [[team]] = await house.sql(`SELECT t.id FROM team t JOIN app_user u ON t.personal_of = u.id WHERE u.email = '${email}'`);
    const rows = await house.sql('SELECT id, balance FROM ledger_account');
    const balance = rows.find(([id]) => id === idBytes(team))?.[1];
    must(balance === String(nano(want)), `${args} with ${fault}: balance ${balance}, not ${nano(want)}`);
    house.remove();
  }
  return `${deaths} deaths of the command line`;
}
