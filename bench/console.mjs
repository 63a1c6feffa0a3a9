// What the console waits for, in a house of ten thousand customers, a million keys and ten million calls:
// made by bench/fill.c, asked over HTTP as a browser would, one request after the other.
//
//   node bench/console.mjs [quick]     TOLLGATE, SANDBOX: the programs; BENCH_DIR: where the house lies
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(fileURLToPath(import.meta.url), '../..');
const tollgate = process.env.TOLLGATE ?? join(root, 'build/tollgate');
const quick = process.argv[2] === 'quick';
const size = quick ? { customers: 200, keys: 2000, rows: 100000, heavy: 20000 } : { customers: 10000, keys: 1000000, rows: 10000000, heavy: 1000000 };
const times = quick ? 30 : 300;
mkdirSync(process.env.BENCH_DIR ?? join(root, 'bench/out'), { recursive: true });
const dir = mkdtempSync(join(process.env.BENCH_DIR ?? join(root, 'bench/out'), 'console.'));
const data = join(dir, 'data'), config = join(dir, 'conf'), password = 'a password for measuring';
let child;
const say = (s) => console.error(s);
async function serve() {
  const begin = performance.now();
  child = spawn(tollgate, ['serve', '--config', config, '--data', data, '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  const url = await new Promise((done, failed) => {
    child.stdout.on('data', (d) => { text += d; const m = /listens on (http:\/\/\S+)/.exec(text); if (m) done(m[1]); });
    child.once('exit', () => failed(new Error(`the server does not start: ${text}`)));
  });
  while ((await fetch(`${url}/ready`)).status !== 200);
  return { url, ready: performance.now() - begin, text: () => text };
}
const stop = () => new Promise((done) => { child.removeAllListeners('exit'); child.once('exit', done); child.kill('SIGTERM'); });
const quantile = (list, q) => list.sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(q * list.length))];

async function main() {
  writeFileSync(config, '[store]\nballast = 0\n');
  let house = await serve();
  const heavy = await first_operator(house);
  await stop();
  say('filling');
  execFileSync(process.env.CC ?? 'cc', ['-O2', '-o', join(dir, 'fill'), join(root, 'bench/fill.c'), '-lsqlite3']);
  execFileSync(join(dir, 'fill'), [join(data, 'tollgate.db'), heavy.team, ...Object.entries(size).map(([k, v]) => `${k}=${v}`)], { stdio: 'inherit' });
  house = await serve();
  const { url } = house;
  const rows = [];
  const login = [];
  let cookie;
  for (let i = 0; i < 8; i++) {
    const begin = performance.now();
    const r = await fetch(`${url}/api/auth/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email: 'heavy@example.com', password }) });
    login.push(performance.now() - begin);
    if (r.status !== 200) throw new Error(`sign-in: ${r.status} ${await r.text()}`);
    cookie = r.headers.get('set-cookie').split(';')[0];
  }
  rows.push(['sign-in', quantile(login, 0.5), quantile(login, 0.99), 150]);
  const day = (n) => new Date(Date.now() - n * 864e5).toISOString();
  const asked = {
    'GET /api/me': '/api/me',
    'GET /api/billing/balance': '/api/billing/balance',
    'GET /api/billing/transactions': '/api/billing/transactions',
    'GET /api/usage/current': '/api/usage/current',
    'GET /api/usage/series, 30 days by model': '/api/usage/series?group=model',
    'GET /api/usage/series, a day by hour and key': `/api/usage/series?bucket=hour&group=key&start=${day(1)}`,
    'GET /api/usage/history': '/api/usage/history',
    'GET /api/usage/history, a page in the middle': `/api/usage/history?end=${day(15)}&start=${day(30)}&limit=100`,
    'GET /api/usage/history of one model': '/api/usage/history?model=maker/model-3',
    'GET /api/keys': '/api/keys',
    'GET /api/admin/customers': '/api/admin/customers',
    'GET /api/admin/customers, searched': '/api/admin/customers?q=customer77',
    'GET /api/admin/customers/{id}': `/api/admin/customers/${heavy.user}`,
    'GET /api/admin/margin, today': `/api/admin/margin?start=${day(1)}`,
    'GET /api/admin/margin, 30 days': '/api/admin/margin',
  };
  for (const [name, path] of Object.entries(asked)) {
    const all = [];
    for (let i = 0; i < times + 5; i++) {
      const begin = performance.now();
      const r = await fetch(url + path, { headers: { cookie } });
      await r.arrayBuffer();
      if (r.status !== 200) throw new Error(`${name}: ${r.status}`);
      if (i >= 5) all.push(performance.now() - begin);
      if (all.length >= 20 && all.reduce((a, b) => a + b) > 10000) break; // the slow ones: fewer
    }
    rows.push([name, quantile(all, 0.5), quantile(all, 0.99), 10]);
  }
  const key = [];
  for (let i = 0; i < times; i++) {
    const begin = performance.now();
    await (await fetch(`${url}/me/usage`, { headers: { authorization: `Bearer ${heavy.key}` } })).arrayBuffer();
    key.push(performance.now() - begin);
  }
  rows.push(['GET /me/usage', quantile(key, 0.5), quantile(key, 0.99), 5]);
  await stop();
  report(rows, house.ready);
}

// By the link that a fresh house prints.
async function first_operator({ url, text }) {
  while (!/setup\?token=\w+/.test(text())) await new Promise((done) => setTimeout(done, 20));
  const post = async (path, body, headers = {}) => {
    const r = await fetch(url + path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
    if (!r.ok) throw new Error(`${path}: ${r.status} ${await r.text()}`);
    return r;
  };
  const r = await post('/api/auth/setup', { token: /setup\?token=(\w+)/.exec(text())[1], email: 'heavy@example.com', password });
  const cookie = r.headers.get('set-cookie').split(';')[0];
  const me = await (await fetch(`${url}/api/me`, { headers: { cookie } })).json();
  const key = await (await post('/api/keys', { name: 'measured' }, { cookie, 'x-csrf-token': me.csrf_token })).json();
  return { user: me.user.id, team: me.team.id, key: key.api_key };
}

function report(rows, ready) {
  const mb = Math.round(statSync(join(data, 'tollgate.db')).size / 2 ** 20);
  const lines = [
    '# What the console waits for', '', 'Written by `make bench-console`; not edited by hand.', '',
    `${size.customers} customers, ${size.keys} keys, ${size.rows} calls (${size.heavy} of one team, who asks), ${mb} MB of SQLite; ${cpus()[0].model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB; one request after the other, client and server on one machine; ready ${ready.toFixed(0)} ms after the start.`, '',
    '| request | p50 ms | p99 ms | bar ms | reached |', '| --- | --- | --- | --- | --- |',
    ...rows.map(([n, a, b, bar]) => `| ${n} | ${a.toFixed(1)} | ${b.toFixed(1)} | ${bar} | ${b <= bar ? 'yes' : 'no'} |`), ''];
  const doc = quick ? join(root, 'bench/out/performance-console.md') : join(root, 'docs/performance-console.md');
  writeFileSync(doc, lines.join('\n'));
  console.log(lines.join('\n'));
  say(`written to ${doc}`);
}

try {
  await main();
} finally {
  child?.kill('SIGTERM');
  rmSync(dir, { recursive: true, force: true });
}
