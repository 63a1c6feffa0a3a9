// Signing in a device (RFC 8628): the protocol itself, and `tollgate login` in a terminal.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { House, tollgate, until } from './lib/house.mjs';
import { Person, QUICK } from './lib/people.mjs';

let house, ann;
before(async () => {
  house = await House.start({ mail: true, config: QUICK });
  ann = await new Person(house).signUp();
});
after(() => house?.stop());

const form = (path, fields) => fetch(house.url + path, { method: 'POST', body: new URLSearchParams(fields) })
  .then(async (r) => ({ status: r.status, json: await r.json() }));
const begin = async (name = 'Ann\'s <laptop>') => {
  const { status, json } = await form('/api/auth/device', { client_id: 'x', name, unknown: 'ignored' });
  assert.equal(status, 200);
  house.keep(json.device_code);
  return json;
};
const poll = (device_code) => form('/api/auth/token', { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code, client_id: 'x' });

test('codes, waiting, slowing down, approval, a key named after the device', async () => {
  const d = await begin();
  assert.match(d.user_code, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
  assert.equal(d.interval, 5);
  assert.match(d.verification_uri_complete, new RegExp(`/device\\?code=${d.user_code}$`));
  assert.deepEqual((await poll(d.device_code)).json.error, 'authorization_pending');
  assert.deepEqual((await poll(d.device_code)).json.error, 'slow_down');
  const seen = (await ann.get(`/api/auth/device/${d.user_code.toLowerCase().replace('-', '')}`)).json;
  assert.deepEqual([seen.name, seen.status, seen.user_code], ['Ann\'s <laptop>', 'pending', d.user_code]);
  assert.match(seen.address, /^127\./);
  assert.equal((await ann.post('/api/auth/device/decide', { user_code: d.user_code, approve: true })).status, 204);
  assert.equal((await ann.post('/api/auth/device/decide', { user_code: d.user_code, approve: false })).status, 404);
  const got = await poll(d.device_code);
  assert.equal(got.status, 200, JSON.stringify(got.json));
  house.keep(got.json.access_token);
  assert.deepEqual([got.json.token_type, got.json.team_id, got.json.email], ['bearer', ann.team, ann.email]);
  assert.equal((await poll(d.device_code)).json.error, 'invalid_grant'); // once
  const key = (await ann.get(`/api/keys/${got.json.key_id}`)).json;
  assert.equal(key.name, 'Ann\'s <laptop>');
  assert.equal((await house.fetch('/me', { key: got.json.access_token })).status, 200);
});

test('declined, guessed, malformed', async () => {
  const d = await begin();
  await ann.post('/api/auth/device/decide', { user_code: d.user_code, approve: false });
  assert.deepEqual((await poll(d.device_code)).json.error, 'access_denied');
  assert.equal((await poll('x'.repeat(43))).json.error, 'invalid_grant');
  assert.equal((await form('/api/auth/token', { grant_type: 'password' })).json.error, 'unsupported_grant_type');
  assert.equal((await form('/api/auth/token', { grant_type: 'urn:ietf:params:oauth:grant-type:device_code' })).json.error, 'invalid_request');
  const bob = await new Person(house).signUp();
  let tries = 0; // the first delay, of a second, may be over before the next try
  for (let status = 0; status !== 429; tries++) {
    status = (await bob.get('/api/auth/device/BCDF-GHJK')).status;
    assert.ok(tries < 30 && [404, 429].includes(status), `${status} after ${tries} tries`);
  }
  assert.ok(tries > 20, `braked after ${tries} tries`);
  const other = await begin();
  const viewer = await new Person(house).signUp();
  assert.equal((await viewer.post('/api/auth/device/decide', { user_code: other.user_code, approve: true, team_id: ann.team })).status, 404);
});

// `script` (util-linux) gives it a terminal of its own.
function inTerminal(args, env) {
  const child = spawn('script', ['-qec', [tollgate, ...args].join(' '), '/dev/null'], {
    env: { ...process.env, TOLLGATE_URL: '', TOLLGATE_API_KEY: '', ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
  child.text = '';
  child.stdout.on('data', (d) => (child.text += d));
  child.ended = new Promise((done) => child.once('close', (code) => done(code)));
  return child;
}

test('tollgate login, whoami, logout, in a terminal with a browser', async () => {
  const xdg = join(house.dir, 'xdg-login'), bin = join(house.dir, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'xdg-open'), `#!/bin/sh\nprintf '%s\\n' "$@" >${house.dir}/opening\nmv ${house.dir}/opening ${house.dir}/opened\nexec sleep 5\n`);
  chmodSync(join(bin, 'xdg-open'), 0o755);
  const env = { XDG_CONFIG_HOME: xdg, DISPLAY: ':0', PATH: `${bin}:${process.env.PATH}` };
  const login = inTerminal(['login', '--url', house.url, '--name', 'workbench'], env);
  const shown = await until('the code', () => /[A-Z]{4}-[A-Z]{4}/.exec(login.text));
  const opened = await until('the browser', () => existsSync(`${house.dir}/opened`) && readFileSync(`${house.dir}/opened`, 'utf8'));
  assert.match(opened, new RegExp(`^http://[^\\s]+/device\\?code=${shown[0]}\\n$`));
  assert.equal((await ann.post('/api/auth/device/decide', { user_code: shown[0], approve: true })).status, 204);
  assert.equal(await login.ended, 0, login.text);
  assert.match(login.text, new RegExp(`Signed in as ${ann.email}`));
  const file = join(xdg, 'tollgate/config');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(statSync(join(xdg, 'tollgate')).mode & 0o777, 0o700);
  const key = house.keep(/api_key = (tg_\w+)/.exec(readFileSync(file, 'utf8'))[1]);
  assert.ok(!login.text.includes(key));
  const run = (args) => house.cli(args, { env: { ...env, TOLLGATE_URL: '', TOLLGATE_API_KEY: '' } });
  assert.match((await run(['whoami'])).stdout, new RegExp(ann.id));
  const out = await run(['logout']);
  assert.equal(out.code, 0, out.stderr);
  assert.ok(!existsSync(file));
  assert.equal((await house.fetch('/me', { key })).status, 401);
  const again = await run(['logout']);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /nobody is signed in/);
  assert.match((await run(['whoami'])).stderr, /tollgate login/);
});

test('tollgate login where there is no browser, declined; and where there is no server', async () => {
  const env = { XDG_CONFIG_HOME: join(house.dir, 'xdg-none'), DISPLAY: '', WAYLAND_DISPLAY: '', TOLLGATE_URL: house.url, TOLLGATE_API_KEY: '' };
  const login = spawn(tollgate, ['login', '--json'], { env: { ...process.env, ...env } });
  let text = '', out = '';
  login.stderr.on('data', (x) => (text += x));
  login.stdout.on('data', (x) => (out += x));
  const ended = new Promise((done) => login.once('close', done));
  const [code] = await until('the code', () => /[A-Z]{4}-[A-Z]{4}/.exec(text));
  assert.match(text, /Open this page in a browser/);
  await ann.post('/api/auth/device/decide', { user_code: code, approve: false });
  assert.equal(await ended, 1, text);
  assert.match(text, /declined/);
  assert.equal(out, '');
  const nowhere = await house.cli(['login', '--url', 'http://127.0.0.1:1'], { env });
  assert.equal(nowhere.code, 1);
  assert.match(nowhere.stderr, /cannot be reached/);
  assert.equal((await house.cli(['login', '--url', 'nonsense'], { env })).code, 2);
});
