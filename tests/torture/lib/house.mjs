// A house under torture: its folder, its sandbox, the process, the command line, the database.
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, openSync, closeSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ended, execute, idBytes, until } from './base.mjs';
import { tariff } from './model.mjs';

const { TOLLGATE, SANDBOX, TOLLGATE_FAULTY, TOLLGATE_BUILD } = process.env;
const SQL = join(TOLLGATE_BUILD, 'torture-sql');
const children = new Set();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

// Starts a program; resolves with what `pattern` found on its standard output.
function launch(program, args, log, pattern, env = {}) {
  const fd = openSync(log, 'a');
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', fd],
    env: { ...process.env, ...env },
  });
  closeSync(fd);
  children.add(child);
  child.on('exit', () => children.delete(child));
  let text = '';
  child.said = () => text;
  const ready = new Promise((done, failed) => {
    child.stdout.on('data', (data) => {
      text += data;
      const m = pattern.exec(text);
      if (m) done(m);
    });
    child.once('close', (code, signal) =>
      failed(Object.assign(new Error(`${program} ended (${signal ?? code}) before it was ready`), { early: true })));
    child.once('error', failed);
  });
  ready.catch(() => {});
  return { child, ready };
}

// How long a thread was ready to run while the machine ran others, ms; of a process, the one that
// waited longest.
function heldUp(pid, threads) {
  try {
    return Math.max(...(threads ?? readdirSync(`/proc/${pid}/task`)).map((thread) =>
      Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[1]) / 1e6));
  } catch {
    return 0; // it is gone, or nobody counts it here
  }
}
const weHeldUp = () => heldUp(process.pid, [process.pid]);

export async function startSandbox(dir, seed) {
  const { child, ready } = launch(SANDBOX, ['--listen', '127.0.0.1:0', '--seed', String(seed)],
    join(dir, 'sandbox.log'), /listening on (\S+)\n/);
  const url = `http://${(await ready)[1]}`;
  return {
    url,
    child,
    stop: async () => { child.kill('SIGTERM'); await ended(child); },
    // All entries, refused ones too.
    async served() {
      const all = [];
      for (let since = 0; ;) {
        const r = await fetch(`${url}/sandbox/ledger?all=1&limit=20000&since=${since}`);
        const text = await r.text();
        // The cost is money: kept as text.
        const page = JSON.parse(text.replace(/"cost":([0-9.eE+-]+)/g, '"cost":"$1"'));
        if (page.dropped) throw new Error('the sandbox has dropped entries');
        all.push(...page.requests);
        if (!page.has_more) return { entries: all, totals: page.totals };
        since = page.next_since;
      }
    },
    // Forgets what was served so far; ids of generations stay known.
    clear: () => fetch(`${url}/sandbox/ledger`, { method: 'DELETE' }),
    async count() {
      const r = await fetch(`${url}/sandbox/ledger?limit=0`);
      const t = (await r.json()).totals;
      return t.requests + t.refused + t.abandoned;
    },
  };
}

const CONFIG = {
  server: { threads: 2, drain_timeout: '30s' },
  store: { ballast: '64K' },
  limits: { user_rpm: 0, global_rpm: 0 },
  upstream: { first_byte_timeout: '3s', idle_timeout: '2s' },
};

function configText(more) {
  const sections = { ...CONFIG };
  for (const [name, keys] of Object.entries(more)) sections[name] = { ...sections[name], ...keys };
  return Object.entries(sections)
    .map(([name, keys]) => `[${name}]\n${Object.entries(keys).map(([k, v]) => `${k} = ${v}\n`).join('')}`)
    .join('');
}

export class House {
  // `postgres`: URL of an empty database; else SQLite in the folder.
  constructor(dir, { postgres, config = {} } = {}) {
    mkdirSync(dir, { recursive: true });
    this.dir = dir;
    this.data = join(dir, 'data');
    this.log = join(dir, 'tollgate.log');
    this.config = join(dir, 'config');
    this.postgres = postgres;
    this.database = postgres ?? `sqlite:${this.data}/tollgate.db`;
    mkdirSync(this.data, { recursive: true, mode: 0o700 });
    this.configure(config);
    this.granted = new Map(); // e-mail → nano-dollars that were confirmed
    this.keys = {}; // name → { key, email }
    this.starts = [];
    this.kills = 0;
  }

  configure(config) {
    this.more = config;
    writeFileSync(this.config, configText(config));
  }

  get args() {
    return ['--data', this.data, '--config', this.config, ...(this.postgres ? ['--database', this.postgres] : [])];
  }

  // Starts the server and waits until it takes calls.
  async start({ fault, within = 10000 } = {}) {
    const began = performance.now(), ours = weHeldUp();
    const { child, ready } = launch(fault ? TOLLGATE_FAULTY : TOLLGATE,
      ['serve', ...this.args, '--listen', '127.0.0.1:0'], this.log, /listens on (http:\S+)\n/,
      fault ? { TOLLGATE_FAULT: fault } : {});
    this.child = child;
    this.url = (await ready)[1];
    await until('ready', within, async () =>
      (await fetch(`${this.url}/ready`).then((r) => r.status, () => 0)) === 200 ||
      child.exitCode !== null || child.signalCode !== null);
    // Its own time, whoever else wants the machine.
    this.starts.push(performance.now() - began - heldUp(child.pid) - (weHeldUp() - ours));
  }

  // What `pattern` finds in what it tells on its standard output.
  async said(pattern) {
    return (await until(String(pattern), 5000, () => pattern.exec(this.child.said())))[1];
  }

  async kill(signal = 'SIGKILL') {
    this.child.kill(signal);
    if (signal === 'SIGKILL') this.kills++;
    return ended(this.child);
  }

  async stop() {
    const end = await this.kill('SIGTERM');
    if (end.code !== 0) throw new Error(`the server ended with ${end.signal ?? end.code} after SIGTERM: ${this.lastWords()}`);
  }

  lastWords() {
    return existsSync(this.log) ? readFileSync(this.log, 'utf8').split('\n').slice(-8).join('\n') : '';
  }

  // The command line, whatever comes of it.
  verb(args, options = {}) {
    return execute(options.program ?? TOLLGATE, [...args, ...this.args, '--json'], options);
  }

  // The command line, which must work: its JSON.
  async cli(...args) {
    const r = await this.verb(args);
    if (r.code !== 0) throw new Error(`tollgate ${args.join(' ')}: ${r.signal ?? r.code}: ${r.err}`);
    return JSON.parse(r.out);
  }

  async sql(statement) {
    const r = await execute(SQL, [this.database, statement]);
    if (r.code !== 0) throw new Error(`${statement}: ${r.err}`);
    return r.out.split('\n').slice(0, -1).map((line) => line.split('\t'));
  }

  async user(email, credit) {
    const made = await this.cli('admin', 'user', 'create', '--email', email, '--credit', credit);
    this.granted.set(email, (this.granted.get(email) ?? 0n) + tariff.nano(credit));
    this.keys[email] = { key: made.api_key, email, team: idBytes(made.team_id), id: idBytes(made.key_id) };
    return made;
  }

  async key(name, email, ...more) {
    const made = await this.cli('admin', 'key', 'create', '--user', email, '--name', name, ...more);
    this.keys[name] = { key: made.api_key, email, team: this.keys[email].team, id: idBytes(made.key_id) };
    return made;
  }

  async credit(email, amount, idempotency) {
    await this.cli('admin', 'credit', 'add', '--user', email, '--amount', amount, '--reason', 'torture',
      ...(idempotency ? ['--idempotency-key', idempotency] : []));
    this.granted.set(email, (this.granted.get(email) ?? 0n) + tariff.nano(amount));
  }

  // Two providers of the same sandbox: one keeps receipts and has two keys, one does neither.
  async furnish(sandbox) {
    for (const verb of furnishing(sandbox.url)) await this.cli(...verb);
  }

  remove() {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export function furnishing(url) {
  const route = (model, provider, ...more) => ['admin', 'route', 'add', '--model', model, '--provider', provider, ...more];
  return [
    ['admin', 'provider', 'add', 'or', '--kind', 'openrouter', '--base-url', `${url}/api/v1`, '--api-key', 'sk-or-1'],
    ['admin', 'provider', 'add', 'or', '--kind', 'openrouter', '--base-url', `${url}/api/v1`, '--api-key', 'sk-or-2'],
    ['admin', 'provider', 'add', 'oa', '--kind', 'openai', '--base-url', `${url}/v1`, '--api-key', 'sk-oa'],
    ['admin', 'provider', 'add', 'quick', '--kind', 'openai', '--base-url', `${url}/v1`, '--api-key', 'sk-quick',
      '--on-disconnect', 'cancel'],
    route('sandbox/*', 'or'),
    route('gpt-4o', 'or'),
    route('text-embedding-3-small', 'or'),
    ...Object.entries(tariff.renamed).map(([name, to]) => route(name, 'oa', '--upstream-model', to)),
    route('quick-stream', 'quick', '--upstream-model', tariff.quick),
    ...tariff.prices.map((p) => ['admin', 'price', 'set', '--model', p.pattern, '--input', p.input, '--output', p.output,
      ...(p.cached ? ['--cache-read', p.cached] : []), ...(p.request ? ['--request', p.request] : [])]),
    ...tariff.rules.map((r) => ['admin', 'pricing-rule', 'add', '--model', r.pattern, '--markup', r.percent,
      '--priority', String(r.priority), ...(r.least ? ['--min-cost', r.least] : [])]),
  ];
}

// A copy of a house that is not running, for a play of its own.
export function copyHouse(from, dir, config) {
  const house = new House(dir, { config: config ?? from.more });
  rmSync(house.data, { recursive: true });
  cpSync(from.data, house.data, { recursive: true, filter: (path) => !path.endsWith('.sock') });
  house.granted = new Map(from.granted);
  house.keys = { ...from.keys };
  return house;
}
