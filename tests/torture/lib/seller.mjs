// A house that sells through the sandbox's Stripe, one person who sells there and buys, and what Stripe
// says of itself. A play gives him a life of steps, each of which is repeated after a death until it is
// confirmed, and an audit.
import { join } from 'node:path';
import { database } from '../plays/store.mjs';
import { ended, pause } from './base.mjs';
import { House, startSandbox } from './house.mjs';
import { must } from './tap.mjs';

const SECRET = 'whsec_torture', EMAIL = 'seller@example.com', PASSWORD = 'a horse that is correct enough';

export class Died extends Error {}

export const config = (sandbox) => ({
  stripe: { secret_key: 'sk_test_torture', webhook_secrets: SECRET, api_url: `${sandbox.url}/stripe`, reconcile_every: '12h' },
  server: { public_url: 'http://127.0.0.1:8787' }, // the same behind every port: it is in what is asked of Stripe
  login: { password_memory: '64K' },
  credit: { intro: 0 },
});

// What Stripe itself says, cents.
export function stripeOf(sandbox) {
  const api = async (path, form, key) => {
    const r = await fetch(`${sandbox.url}/stripe/v1/${path}`, { method: form ? 'POST' : 'GET', body: form && new URLSearchParams(form),
      headers: { authorization: 'Bearer sk_test_torture', ...(key ? { 'idempotency-key': key } : {}) } });
    return r.json();
  };
  return {
    api,
    all: async (what) => (await api(`${what}?limit=100`)).data,
    control: async (what, body = {}) => {
      const r = await fetch(`${sandbox.url}/sandbox/stripe/${what}`, { method: 'POST', body: JSON.stringify(body) });
      must(r.status === 200, `sandbox: ${what}: ${r.status}`);
    },
    waiting: async () => (await (await fetch(`${sandbox.url}/sandbox/stripe`)).json()).waiting,
    click: (session, how) => fetch(`${sandbox.url}/stripe/checkout/${session}/${how}`, { method: 'POST', redirect: 'manual' }),
  };
}

export class Life {
  kinds = ['stripe_event', 'stripe_refund', 'auto_topup']; // of jobs that must come to their end

  constructor(house, sandbox) {
    Object.assign(this, { house, stripe: stripeOf(sandbox), at: 0, steps: [] });
  }

  isOver() {
    const c = this.house.child;
    return c.exitCode !== null || c.signalCode !== null;
  }

  // Asks until it is answered; a house that is gone may be noticed a little later.
  async ask(method, path, body, key) {
    for (let i = 0; i < 200; i++) {
      const r = await fetch(this.house.url + path, { method, body: body && JSON.stringify(body), headers: {
        authorization: `Bearer ${this.token}`, 'content-type': 'application/json', ...(key ? { 'idempotency-key': key } : {}) } })
        .then(async (x) => ({ status: x.status, json: await x.json().catch(() => null) }), () => null);
      if (r && r.status < 500 && r.json?.error?.code !== 'in_progress') return r;
      await Promise.race([ended(this.house.child), pause(50)]);
      if (this.isOver()) throw new Died(path);
    }
    throw new Error(`${method} ${path} is never answered`);
  }

  async until(what, look) {
    let last;
    for (const end = Date.now() + 30000; ;) {
      last = await look();
      if (last === true) return;
      if (this.isOver()) throw new Died(what);
      must(Date.now() < end, `${what}: not within 30 s: ${JSON.stringify(last)}`);
      await pause(20);
    }
  }

  // What is done at the sandbox is done once: it does not die.
  async once(name, what, fn) {
    const done = (this.done ??= new Set());
    if (done.has(`${name} ${what}`)) return;
    await fn();
    done.add(`${name} ${what}`);
  }

  async kick(kind, state = '') {
    for (const job of (await this.ask('GET', `/api/admin/jobs?kind=${kind}${state}`)).json.data)
      await this.ask('POST', `/api/admin/jobs/${job.id}/retry`);
  }

  // Of its death one may hear later than of what it did not answer.
  async dies() {
    await Promise.race([ended(this.house.child), pause(10000)]);
    return this.isOver();
  }

  // Sessions outlive deaths.
  async begin() {
    const { house } = this;
    await house.start();
    const link = await house.said(/setup\?token=(\S+)/);
    const post = async (path, body) => (await fetch(house.url + path, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })).json();
    await post('/api/auth/setup', { token: link, email: EMAIL, password: PASSWORD });
    this.token = (await post('/api/auth/login', { email: EMAIL, password: PASSWORD, transport: 'token' })).token;
    must(this.token, 'the seller cannot sign in');
    this.key = (await house.cli('admin', 'key', 'create', '--user', EMAIL, '--name', 'spends')).api_key;
    await house.cli('admin', 'provider', 'add', 'or', '--kind', 'openrouter', '--base-url', `${house.sandboxUrl}/api/v1`, '--api-key', 'sk-or-1');
    await house.cli('admin', 'route', 'add', '--model', '*', '--provider', 'or');
    await house.cli('admin', 'price', 'set', '--model', 'sandbox/*', '--input', '0', '--output', '0', '--request', '2.5');
    await house.stop();
  }

  async open(fault) {
    await this.house.start({ fault });
    await this.stripe.control('settings', { webhook: `${this.house.url}/api/stripe/webhook`, secret: SECRET, duplicate_percent: 30, reorder_percent: 20 });
  }

  async live() {
    try {
      for (; this.at < this.steps.length; this.at++) await this.steps[this.at]();
      await this.rest();
      return true;
    } catch (e) {
      if (!(e instanceof Died)) throw e;
      return false;
    }
  }

  // Everything was told and worked on.
  rest() {
    return this.until('rest', async () => {
      for (const kind of this.kinds) await this.kick(kind, '&state=retrying');
      const [[open]] = await this.house.sql("SELECT count(*) FROM stripe_event WHERE state = 'stored'");
      const jobs = await this.house.sql(`SELECT kind, state FROM job_run WHERE kind IN (${this.kinds.map((k) => `'${k}'`)}) AND state <> 'done'`);
      const waiting = await this.stripe.waiting();
      return (open === '0' && jobs.length === 0 && waiting === 0) || { open, jobs, waiting };
    });
  }
}

// One life with a death in it; true when it came to its end without.
async function once(Kind, dir, run, fault, postgres) {
  const sandbox = await startSandbox(`${dir}/..`, run.rng.between(1, 1e6));
  const house = new House(dir, { postgres: postgres ? await database() : undefined, config: config(sandbox) });
  house.sandboxUrl = sandbox.url;
  const life = new Kind(house, sandbox);
  let survived = false;
  try {
    await life.begin();
    try {
      await life.open(fault);
      survived = await life.live();
    } catch (e) {
      if (!e.early && !(await life.dies())) throw e;
    }
    if (survived) survived = (await house.kill('SIGTERM')).code === 0;
    if (!survived) must((await ended(house.child)).signal === 'SIGKILL', `it ended with ${house.child.signalCode ?? house.child.exitCode}: ${house.lastWords()}`);
    if (!survived) house.kills++;
    await life.open();
    must(await life.live(), `the house without faults ended: ${house.lastWords()}`);
    await life.audit();
    await house.stop();
    house.remove();
    run.count(house, { served: 0 });
    return survived;
  } catch (e) {
    e.message = `${fault}: ${e.message}`;
    throw e;
  } finally {
    await house.kill();
    await sandbox.stop();
  }
}

// At the place's n-th passing, n = 1, 2, 3, … (or in steps) until it is not reached any more (full);
// else at some of them.
export async function lives(Kind, t, run, { place, last, step = 1, some, postgres = false }) {
  let over = Infinity, deaths = 0, tried = 0;
  const most = run.full && !postgres ? Math.ceil(last / step) : some;
  for (let i = 0; i < most; i++) {
    const n = run.full && !postgres ? i * step + run.rng.between(1, step) : run.rng.between(1, last);
    if (n > over) continue;
    tried++;
    if (await once(Kind, join(t.dir, String(n)), run, `${place}:${n}`, postgres)) over = n;
    else deaths++;
  }
  return `${tried} lives, ${deaths} deaths${over < Infinity ? `; ${over} is not reached` : ''}`;
}
