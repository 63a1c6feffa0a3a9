// The command line: every verb, good and bad.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { House, PASSPHRASE, PROMPT, startUpstream, tollgate } from './lib/house.mjs';

let house;
before(async () => { house = await House.start(); });
after(() => house?.stop());

const fails = async (args, code, words, options) => {
  const r = await house.cli(args, options);
  assert.equal(r.code, code, `${args.join(' ')}: ${r.stdout}${r.stderr}`);
  assert.match(r.stderr, words);
  assert.equal(r.stdout, '');
};
const one = (text) => { // exactly one JSON document, one line end
  assert.match(text, /^[[{].*[\]}]\n$/s);
  return JSON.parse(text);
};
const fits = (text) => { for (const line of text.split('\n')) assert.ok([...line].length <= 80, `${[...line].length}: ${line}`); };

test('a customer: whoami, models, keys, billing, chat', async () => {
  await house.json('admin', 'price', 'sync', '--provider', 'main');
  const chat = await house.ok(['chat', '--model', 'sandbox/echo', PROMPT]);
  assert.equal(chat.stdout, `${PROMPT}\n`);
  assert.match(chat.stderr, /cost \$0\.0000\d+, balance \$9\.9999\d+/);
  const piped = await house.ok(['chat', '--model', 'sandbox/echo'], { input: 'from a pipe' });
  assert.equal(piped.stdout, 'from a pipe\n');
  const asJson = one((await house.ok(['chat', '--json', '--model', 'sandbox/echo', 'a', 'b'])).stdout);
  assert.equal(asJson.text, 'a b');
  assert.ok(Number(asJson.cost_usd) > 0 && Number(asJson.balance_usd) > 9);
  for (const verb of [['whoami'], ['models'], ['keys', 'list'], ['billing', 'status'], ['billing', 'history'], ['billing', 'history', '--limit', '1']]) {
    const human = await house.ok(verb);
    assert.ok(human.stdout.length > 10, verb.join(' '));
    fits(human.stdout);
    one((await house.ok([...verb, '--json'])).stdout);
  }
  assert.equal((await house.json('whoami')).key_id, house.user.key_id);
  assert.match((await house.ok(['billing', 'status'])).stdout, /^Balance {6}\$9\.9999/);
});

test('chat says what went wrong', async () => {
  await fails(['chat', '--model', 'sandbox/echo'], 1, /nothing to ask/);
  await fails(['chat', 'x', '--model', 'sandbox/error-500'], 1, /provider failed.*HTTP 502/);
  const poor = await house.json('admin', 'user', 'create', '--email', 'poor@example.com');
  house.keep(poor.api_key);
  await fails(['chat', 'x', '--model', 'sandbox/echo'], 1, /Top up.*\n.*http:\/\/.*\/billing/s, { env: { TOLLGATE_API_KEY: poor.api_key } });
  const little = await house.json('admin', 'user', 'create', '--email', 'little@example.com', '--credit', '0.5');
  house.keep(little.api_key);
  const r = await house.ok(['chat', 'x', '--model', 'sandbox/echo'], { env: { TOLLGATE_API_KEY: little.api_key } });
  assert.equal(r.stderr.match(/Low balance/g).length, 1);
  const cut = await house.cli(['chat', 'x', '--model', 'sandbox/midstream-error']);
  assert.equal(cut.code, 1);
  await fails(['whoami'], 1, /not valid.*HTTP 401/, { env: { TOLLGATE_API_KEY: 'tg_x' } });
  await fails(['whoami'], 1, /cannot be reached.*is it running/, { env: { TOLLGATE_URL: 'http://127.0.0.1:1' } });
});

test('chat prints as it comes, and no control characters', async () => {
  let go;
  const gate = new Promise((done) => (go = done));
  const event = (content) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`;
  const up = await startUpstream(async (rq, rs) => {
    rs.setHeader('content-type', 'text/event-stream');
    rs.write(event('first\u001b[31m'));
    await gate;
    rs.end(`${event(' second')}data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\ndata: [DONE]\n\n`);
  });
  await house.ok(['admin', 'provider', 'add', 'slow', '--kind', 'openai', '--base-url', `${up.url}/v1`]);
  await house.ok(['admin', 'route', 'add', '--model', 'sandbox/slowly', '--provider', 'slow', '--priority', '9']);
  const { spawn } = await import('node:child_process');
  const child = spawn(tollgate, ['chat', 'x', '--model', 'sandbox/slowly'], { env: { ...process.env, TOLLGATE_URL: house.url, TOLLGATE_API_KEY: house.key } });
  let text = '';
  await new Promise((done) => child.stdout.on('data', (d) => { text += d; if (text.includes('first')) done(); }));
  assert.equal(text, 'first[31m');
  go();
  await new Promise((done) => child.once('close', done));
  assert.equal(text, 'first[31m second\n');
  await up.stop();
});

test('keys: create, revoke at once, rotate', async () => {
  const made = await house.json('admin', 'key', 'create', '--user', 'demo@example.com', '--name', 'laptop');
  const env = { TOLLGATE_API_KEY: house.keep(made.api_key) };
  await house.ok(['whoami'], { env });
  await house.ok(['admin', 'key', 'revoke', '--key', made.key_id]);
  await fails(['whoami'], 1, /revoked/, { env });
  const other = await house.json('admin', 'key', 'create', '--user', 'demo@example.com');
  const rotated = one((await house.ok(['keys', 'rotate', '--json'], { env: { TOLLGATE_API_KEY: house.keep(other.api_key) } })).stdout);
  house.keep(rotated.apiKey);
  await fails(['whoami'], 1, /revoked/, { env: { TOLLGATE_API_KEY: other.api_key } });
  await house.ok(['whoami'], { env: { TOLLGATE_API_KEY: rotated.apiKey } });
  const list = await house.json('admin', 'key', 'list', '--user', 'demo@example.com');
  assert.equal(list.find((k) => k.id === made.key_id).status, 'revoked');
  fits((await house.ok(['admin', 'key', 'list', '--user', 'demo@example.com'])).stdout);
});

test('a customer makes a key of his own and ends it', async () => {
  const made = await house.json('keys', 'create', '--name', 'ci', '--scope', 'usage');
  house.keep(made.api_key);
  assert.equal(made.scope, 'usage');
  await house.ok(['whoami'], { env: { TOLLGATE_API_KEY: made.api_key } });
  await fails(['keys', 'create'], 1, /scope/, { env: { TOLLGATE_API_KEY: made.api_key } });
  await house.ok(['keys', 'revoke', made.id]);
  await fails(['whoami'], 1, /revoked/, { env: { TOLLGATE_API_KEY: made.api_key } });
  await fails(['keys', 'revoke', 'nonsense'], 2, /key_/);
  await fails(['keys', 'revoke', 'key_00000000000000000000000000'], 1, /no such thing/);
  await fails(['keys', 'create', '--expires', 'soon'], 1, /expires_at/);
});

test('the operator: lists, sync, test, limits, credit, explain, unresolved', async () => {
  for (const verb of ['provider', 'route', 'price', 'pricing-rule']) {
    assert.ok(Array.isArray(one((await house.ok(['admin', verb, 'list', '--json'])).stdout)));
    const human = await house.ok(['admin', verb, 'list']);
    assert.ok(!human.stdout.includes('PLANTED'));
    fits(human.stdout);
  }
  const tried = await house.json('admin', 'provider', 'test', 'main');
  assert.ok(tried.ok && tried.models > 5);
  assert.ok((await house.json('admin', 'price', 'sync', '--provider', 'main')).priced > 5);
  const limits = await house.json('admin', 'limits', 'set', '--user', 'demo@example.com', '--rpm', '600', '--max-tokens', '5000');
  assert.equal(limits.rpm, 600);
  const key = 'the same twice';
  // A user without calls: the answer to a cut call of another test may still be asked for, and be charged meanwhile.
  house.keep((await house.json('admin', 'user', 'create', '--email', 'gifted@example.com')).api_key);
  const gift = (amount) => ['admin', 'credit', 'add', '--user', 'gifted@example.com', '--amount', amount, '--reason', 'gift', '--idempotency-key', key];
  const a = await house.json(...gift('2.5'));
  const b = await house.json(...gift('2.5'));
  assert.deepEqual([a.replayed, a.balance, b.replayed, b.balance], [false, '2.5', true, '2.5']);
  await fails(gift('3'), 1, /used for another/);
  const r = await house.fetch('/v1/chat/completions', { body: { model: 'sandbox/echo', messages: [{ role: 'user', content: PROMPT }] } });
  const cost = r.headers.get('x-tollgate-cost-usd');
  await r.text();
  const told = await house.json('ledger', 'explain', r.headers.get('x-request-id'));
  assert.ok(JSON.stringify(told).includes(`"${cost}"`));
  assert.ok(!JSON.stringify(told).includes(PROMPT));
  const human = await house.ok(['ledger', 'explain', r.headers.get('x-request-id')]);
  assert.ok(human.stdout.includes(cost));
  assert.ok(Array.isArray(await house.json('ledger', 'unresolved')));
  assert.match((await house.ok(['ledger', 'verify'])).stdout, /All is well\.\n$/);
});

test('the same verbs on a house that nobody serves', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tollgate-'));
  const data = join(dir, 'data');
  const at = (...args) => execFileSync(tollgate, [...args, '--data', data, '--json'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const user = one(at('admin', 'user', 'create', '--email', 'a@example.com', '--credit', '1'));
  assert.match(user.api_key, /^tg_[0-9A-Za-z]{38}$/);
  one(at('admin', 'provider', 'add', 'p', '--kind', 'openai', '--base-url', 'http://127.0.0.1:1/v1', '--api-key', 'k'));
  assert.equal(one(at('admin', 'provider', 'list')).length, 1);
  one(at('admin', 'route', 'add', '--model', '*', '--provider', 'p'));
  one(at('admin', 'price', 'set', '--model', 'x', '--input', '0.000001', '--output', '0.000002'));
  one(at('admin', 'limits', 'set', '--global', '--rpm', '100'));
  one(at('admin', 'credit', 'add', '--user', 'a@example.com', '--amount', '1', '--reason', 'x'));
  one(at('admin', 'key', 'revoke', '--key', user.key_id));
  assert.equal(one(at('ledger', 'verify')).ok, true);
  assert.deepEqual(one(at('ledger', 'unresolved')), []);
  assert.ok(one(at('migrate')).version > 0);
  one(at('admin', 'provider', 'remove', 'p'));
  rmSync(dir, { recursive: true });
});

test('backup and restore: the same house, and nothing without the passphrase', async () => {
  const file = join(house.dir, 'copy.tollgate');
  const env = { TOLLGATE_PASSPHRASE: PASSPHRASE };
  one((await house.ok(['backup', 'create', file, '--json'], { env })).stdout);
  assert.ok(!readFileSync(file, 'latin1').includes('SQLite format'));
  const to = (name) => ['--data', join(house.dir, name)];
  const restore = (name, passphrase, from = file) => house.cli(['backup', 'restore', from].concat(to(name)), { env: { TOLLGATE_PASSPHRASE: passphrase } });
  const other = { run: (...a) => execFileSync(tollgate, a, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } }) };
  assert.throws(() => execFileSync(tollgate, ['backup', 'restore', file, ...to('wrong')], { env: { ...process.env, TOLLGATE_PASSPHRASE: 'not the passphrase' }, stdio: 'pipe' }),
    (e) => e.status === 1 && /passphrase|does not open/i.test(e.stderr));
  assert.ok(!existsSync(join(house.dir, 'wrong/tollgate.db')));
  const broken = join(house.dir, 'broken.tollgate');
  cpSync(file, broken);
  const bytes = readFileSync(broken);
  bytes[bytes.length >> 1] ^= 1;
  writeFileSync(broken, bytes);
  assert.throws(() => other.run('backup', 'restore', broken, ...to('broken')), (e) => e.status === 1);
  other.run('backup', 'restore', file, ...to('again'));
  assert.equal(one(other.run('ledger', 'verify', '--json', ...to('again'))).ok, true);
  const keys = one(other.run('admin', 'key', 'list', '--user', 'demo@example.com', '--json', ...to('again')));
  assert.ok(keys.some((k) => k.id === house.user.key_id && k.status === 'active'), JSON.stringify(keys));
  assert.throws(() => other.run('backup', 'restore', file, ...to('again')), (e) => e.status === 1); // there is a house already
  void restore;
});

test('completion scripts parse, help tells of every verb', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { stdout } = await house.ok(['completion', shell]);
    assert.ok(stdout.includes('tollgate'));
    if (shell === 'bash') execFileSync('bash', ['-n'], { input: stdout });
  }
  const script = (await house.ok(['completion', 'bash'])).stdout;
  const complete = (...words) => execFileSync('bash', ['-c', `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _tollgate; printf '%s\\n' "\${COMPREPLY[@]}"`, 'x', ...words], { encoding: 'utf8' }).split('\n');
  assert.ok(complete('tollgate', 'ad').includes('admin'));
  assert.ok(complete('tollgate', 'admin', 'us').includes('user'));
  assert.ok(complete('tollgate', 'admin', 'user', 'create', '--em').includes('--email'));
  const help = (await house.ok(['help'])).stdout;
  const verbs = help.split('\n').filter((l) => /^ {2}\w/.test(l)).map((l) => l.trim().split(/ {2,}/)[0]);
  assert.ok(verbs.length > 25);
  for (const verb of verbs) assert.match((await house.ok(['help', ...verb.split(' ')])).stdout, new RegExp(`^tollgate ${verb}`, 'm'));
  fits(help);
});

test('the key from a configuration file, and a word when others can read it', async () => {
  house.writeConfig(`[client]\nurl = ${house.url}\napi_key = ${house.key}\n`, 0o600);
  const env = { TOLLGATE_URL: '', TOLLGATE_API_KEY: '' };
  const r = await house.ok(['whoami'], { env });
  assert.equal(r.stderr, '');
  chmodSync(join(house.dir, 'xdg/tollgate/config'), 0o644);
  assert.match((await house.ok(['whoami'], { env })).stderr, /can be read by others; run: chmod 600/);
  house.writeConfig('nonsense\n', 0o600);
  chmodSync(join(house.dir, 'xdg/tollgate/config'), 0o600);
  await fails(['whoami'], 1, /is not as expected/, { env });
});
