// A house for a test: the sandbox (or the test's own upstream), the server, and its command line.
// Whatever runs here is held against the planted secrets when it ends: no log line, no figure and no
// byte of the database may have one.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
export const tollgate = process.env.TOLLGATE ?? join(root, 'build/tollgate');
export const sandboxProgram = process.env.SANDBOX ?? join(root, 'build/tollgate-sandbox');

export const UPSTREAM_KEY = 'sk-or-v1-PLANTEDupstreamKEY0123456789';
export const PROMPT = 'PLANTED-PROMPT the quick brown fox';
export const STRIPE_SECRET = 'whsec_PLANTEDsecret0123456789';
export const PASSPHRASE = 'PLANTED-PASSPHRASE correct horse';

function run(program, args, { env = {}, input = '', cwd } = {}) {
  return new Promise((done, failed) => {
    const child = spawn(program, args, { env: { ...process.env, ...env }, cwd, stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '', stderr = '';
    child.stdout.on('data', (d) => (stdout += d));
    child.stderr.on('data', (d) => (stderr += d));
    child.once('error', failed);
    child.once('close', (code, signal) => done({ code, signal, stdout, stderr }));
    child.stdin.on('error', () => {}); // it may end without reading
    child.stdin.end(input);
  });
}

// Starts a program and waits for the line that says where it listens.
function start(program, args, pattern) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  child.log = '';
  child.stderr.on('data', (d) => (child.log += d));
  child.ended = new Promise((done) => child.once('close', (code, signal) => done({ code, signal })));
  return new Promise((done, failed) => {
    let text = '';
    child.out = () => text;
    child.once('error', failed);
    child.once('exit', (code) => failed(new Error(`${program} ended with ${code}: ${child.log}`)));
    child.stdout.on('data', (d) => {
      text += d;
      const found = pattern.exec(text);
      if (found) done({ child, found, at: found[1] });
    });
  });
}

export async function startSandbox(...args) {
  const mails = args.includes('--smtp');
  const { child, found } = await start(sandboxProgram, ['--listen', '127.0.0.1:0', ...args],
    mails ? /listening on (\S+)\n.*takes mail on (\S+)\n/s : /listening on (\S+)\n/);
  const url = `http://${found[1]}`;
  return {
    url,
    smtp: found[2],
    inbox: async () => (await fetch(`${url}/sandbox/inbox`)).json(),
    ledger: async () => (await fetch(`${url}/sandbox/ledger`)).json(),
    requests: async () => (await fetch(`${url}/sandbox/requests`)).json(),
    // What Stripe's own pages would do: see sandbox/stripe_page.c.
    stripe: async (what, body = {}) => {
      const r = await fetch(`${url}/sandbox/stripe/${what}`, { method: 'POST', body: JSON.stringify(body) });
      assert.equal(r.status, 200, `${what}: ${r.status}`);
    },
    // What a sanitizer has to say of it is said at its end.
    stop: async () => {
      child.kill();
      assert.deepEqual(await child.ended, { code: 0, signal: null }, child.log.slice(-5000));
    },
  };
}

// An upstream that does what the test says: handler(request, response, body).
export async function startUpstream(handler) {
  const seen = [];
  const server = createServer((rq, rs) => {
    const parts = [];
    rq.on('data', (d) => parts.push(d));
    rq.on('end', () => {
      const body = Buffer.concat(parts);
      seen.push({ method: rq.method, url: rq.url, headers: rq.headers, body });
      handler(rq, rs, body);
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    seen,
    stop: () => new Promise((done) => { server.closeAllConnections?.(); server.close(done); }),
  };
}

export async function until(what, condition, ms = 10000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await condition();
    if (value) return value;
    assert.ok(Date.now() < end, `${what}: waited ${ms} ms for it`);
    await new Promise((done) => setTimeout(done, 15));
  }
}

// What a month (UTC) holds, as sums, caps and numbers, begins anew with the next: one that is over
// within so long is waited for.
export async function withinAMonth(ms = 60000) {
  const now = new Date(), left = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1) - now;
  if (left < ms) await new Promise((done) => setTimeout(done, left + 50));
}

// TOLLGATE_TEST_ENGINE=postgres: every house is on a database of its own in TOLLGATE_TEST_POSTGRES.
let databases = 0;
function newDatabase() {
  const server = process.env.TOLLGATE_TEST_POSTGRES;
  assert.ok(server, 'run it beside a PostgreSQL: tools/with-postgres');
  const name = `clients_${process.pid}_${databases++}`;
  execFileSync('psql', ['-q', '-c', `CREATE DATABASE ${name}`, server]);
  return server.replace(/^(postgres(?:ql)?:\/\/[^/?]*)\/?[^?]*/, `$1/${name}`);
}

export class House {
  secrets = [UPSTREAM_KEY, PROMPT, PASSPHRASE];
  log = '';

  // options: upstream (URL with path), kind, config (lines), credit, limited, mail (to the sandbox),
  // stripe (true, or what puts something before the sandbox's and says where)
  static async start(options = {}) {
    const h = new House();
    try {
      return await h.open(options);
    } catch (e) { // what is left running would keep the test from ending
      h.child?.kill('SIGKILL');
      await h.sandbox?.stop();
      throw e;
    }
  }

  async open(options) {
    const h = this;
    h.dir = mkdtempSync(join(tmpdir(), 'tollgate-'));
    h.data = join(h.dir, 'data');
    h.config = join(h.dir, 'config');
    h.database = process.env.TOLLGATE_TEST_ENGINE === 'postgres' ? newDatabase() : null;
    const engine = h.database ? [`database = ${h.database}`] : [];
    const limits = options.limited ? [] : ['[limits]', 'user_rpm = 0', 'global_rpm = 0'];
    if (!options.upstream) h.sandbox = await startSandbox(...(options.mail ? ['--smtp', '127.0.0.1:0'] : []));
    const mail = options.mail ? ['[smtp]', `url = smtp://${h.sandbox.smtp}`, 'from = house@example.com'] : [];
    h.stripe = options.stripe === true;
    const stripeAt = h.stripe ? `${h.sandbox.url}/stripe` : await options.stripe?.(h.sandbox);
    const stripe = stripeAt ? ['[stripe]', 'secret_key = sk_test_sandbox', `webhook_secrets = whsec_old, ${STRIPE_SECRET}`,
      `api_url = ${stripeAt}`, 'reconcile_every = 12h'] : [];
    writeFileSync(h.config, ['[store]', 'ballast = 0', ...engine, '[server]', 'threads = 2', ...limits, ...mail, ...stripe, ...(options.config ?? [])].join('\n') + '\n');
    await h.serve();
    const upstream = options.upstream ?? `${h.sandbox.url}/api/v1`;
    h.user = await h.json('admin', 'user', 'create', '--email', 'demo@example.com', '--credit', options.credit ?? '10');
    h.key = h.keep(h.user.api_key);
    await h.ok(['admin', 'provider', 'add', 'main', '--kind', options.kind ?? 'openrouter', '--base-url', upstream,
      '--api-key-stdin', '--tag', 'shown'], { input: `${UPSTREAM_KEY}\n` });
    await h.ok(['admin', 'route', 'add', '--model', '*', '--provider', 'main']);
    await h.ok(['admin', 'price', 'set', '--model', 'sandbox/*', '--input', '0.00000015', '--output', '0.0000006']);
    await h.ok(['admin', 'pricing-rule', 'add', '--model', '*', '--markup', '20']);
    return h;
  }

  async serve() {
    const { child, at } = await start(tollgate,
      ['serve', '--data', this.data, '--config', this.config, '--listen', '127.0.0.1:0'], /listens on (http:\S+)\n/);
    this.child = child;
    this.url = at;
    if (this.stripe) await this.sandbox.stripe('settings', { webhook: `${at}/api/stripe/webhook`, secret: STRIPE_SECRET });
    child.once('exit', (code, signal) => {
      if (signal && signal !== 'SIGKILL') console.error(`the server died of ${signal}:\n${child.log.slice(-3000)}`);
    });
  }

  keep(secret) {
    this.secrets.push(secret);
    return secret;
  }

  cli(args, options = {}) {
    const house = ['admin', 'ledger', 'backup', 'migrate'].includes(args[0]) ? ['--data', this.data, '--config', this.config] : [];
    return run(tollgate, [...args, ...house], {
      ...options,
      env: { TOLLGATE_URL: this.url, TOLLGATE_API_KEY: this.key, XDG_CONFIG_HOME: join(this.dir, 'xdg'), COLUMNS: '80', ...options.env },
    });
  }

  async ok(args, options) {
    const r = await this.cli(args, options);
    assert.equal(r.code, 0, `tollgate ${args.join(' ')}: ${r.code}\n${r.stdout}${r.stderr}`);
    return r;
  }

  // The one JSON document on standard output.
  async json(...args) {
    const r = await this.ok([...args, '--json']);
    return JSON.parse(r.stdout);
  }

  fetch(path, { key = this.key, body, method, headers = {}, signal } = {}) {
    return fetch(this.url + path, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: { ...(key ? { authorization: `Bearer ${key}` } : {}), ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      body: body === undefined || typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
      signal,
    });
  }

  usage = async (key) => (await this.fetch('/me/usage?recent_limit=1000&start=2026-01-01', { key })).json();
  verify = () => this.json('ledger', 'verify');
  metrics = async () => (await this.fetch('/metrics')).text();
  async metric(name) {
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await this.metrics())[1]);
  }

  // Into the database, past the house: what only time would bring about.
  sql(statement) {
    const [program, args] = this.database ? ['psql', ['-q', '-At', '-c', statement, this.database]]
      : ['sqlite3', ['-cmd', '.timeout 5000', join(this.data, 'tollgate.db'), statement]];
    return execFileSync(program, args, { encoding: 'utf8' }).trim();
  }

  async halt(signal = 'SIGTERM') {
    this.child.kill(signal);
    const end = await this.child.ended;
    this.log += this.child.log;
    if (signal === 'SIGTERM') assert.deepEqual(end, { code: 0, signal: null }, this.child.log.slice(-2000));
  }

  // No secret in what was logged, measured or stored.
  checkSecrets(extra = {}) {
    const texts = { log: this.log + (this.child?.log ?? ''), ...extra };
    for (const name of readdirSync(this.data))
      if (statSync(join(this.data, name)).isFile()) texts[name] = readFileSync(join(this.data, name), 'latin1');
    assert.ok(texts.log.includes('"event":"started"'), 'there is a log to look into');
    for (const [where, text] of Object.entries(texts))
      for (const secret of this.secrets) assert.ok(!text.includes(secret), `${where} has ${secret}`);
  }

  async stop() {
    try {
      const figures = await this.metrics();
      await this.halt();
      this.checkSecrets({ metrics: figures });
    } finally {
      this.child.kill('SIGKILL');
      await this.sandbox?.stop();
      rmSync(this.dir, { recursive: true, force: true });
    }
  }

  writeConfig(text, mode) {
    mkdirSync(join(this.dir, 'xdg/tollgate'), { recursive: true });
    writeFileSync(join(this.dir, 'xdg/tollgate/config'), text, { mode });
  }
}
