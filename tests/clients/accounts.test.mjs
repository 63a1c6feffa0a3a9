// Accounts over the wire: signing up by mail, sessions, passwords, the second factor, the end.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { House, until } from './lib/house.mjs';
import { Person, QUICK, totp } from './lib/people.mjs';

let house;
before(async () => { house = await House.start({ mail: true, config: QUICK }); });
after(() => house?.stop());
const wrong = (r, status, code, field) => {
  assert.equal(r.status, status, r.text);
  assert.equal(r.json.error.code, code, r.text);
  if (field) assert.equal(r.json.error.field, field);
};

test('a stranger becomes a customer: sign-up, mail, credit, key, call', async () => {
  const ann = new Person(house);
  const options = await ann.get('/api/auth/options');
  assert.equal(options.json.signup, 'open');
  assert.equal(options.json.intro_credit, '10');
  const r = await ann.post('/api/auth/signup', { email: ann.email, password: ann.password, name: 'Ann', company: 'A & B <i>' });
  assert.equal(r.status, 202, r.text);
  const { token, text } = await ann.mail('/verify');
  wrong(await ann.login(), 403, 'email_unverified');
  assert.match(text, /Confirm/);
  wrong(await ann.post('/api/auth/verify', { token: 'x'.repeat(43) }), 404, 'not_found');
  // Another browser that has the link verifies the address, but is not let in.
  const stranger = new Person(house);
  const v = await stranger.post('/api/auth/verify', { token });
  assert.deepEqual(v.json, { verified: true, signed_in: false });
  wrong(await ann.post('/api/auth/verify', { token }), 404, 'not_found'); // once
  assert.equal((await ann.login()).status, 200);
  const me = await ann.me();
  assert.equal(me.user.company, 'A & B <i>');
  assert.equal(me.team.role, 'owner');
  assert.ok(me.team.personal && me.permissions.includes('keys.write'));
  const k = await ann.post('/api/keys', { name: 'first' });
  assert.equal(k.status, 201, k.text);
  const key = house.keep(k.json.api_key);
  assert.equal((await house.usage(key)).balance, 10);
  const call = await house.fetch('/v1/chat/completions', { key, body: { model: 'sandbox/echo', messages: [{ role: 'user', content: 'hi' }] } });
  assert.equal(call.status, 200, await call.text());
});

test('the same browser is signed in by the link', async () => {
  const p = await new Person(house).signUp();
  assert.equal((await p.get('/api/auth/sessions')).json.data.length, 1);
  const before = p.cookies.get('tollgate_session');
  assert.equal((await p.login()).status, 200);
  assert.equal((await p.get('/api/auth/sessions')).json.data.length, 1); // a browser has one
  const old = new Person(house);
  old.cookies.set('tollgate_session', before);
  wrong(await old.get('/api/me'), 401, 'session_expired');
  assert.equal(old.cookies.size, 0); // and is told to forget it
});

test('no answer tells whether an address has an account', async () => {
  const p = await new Person(house).signUp();
  const n = (await p.mails()).length;
  const again = new Person(house, p.email);
  const r = await again.post('/api/auth/signup', { email: p.email, password: again.password });
  const fresh = new Person(house);
  const f = await fresh.post('/api/auth/signup', { email: fresh.email, password: fresh.password });
  assert.deepEqual([r.status, r.json], [f.status, f.json]);
  const told = await p.mail('already have an account', n);
  assert.doesNotMatch(told.text, /token=/);
  for (const path of ['forgot', 'resend']) {
    const known = await p.post(`/api/auth/${path}`, { email: p.email });
    const unknown = await p.post(`/api/auth/${path}`, { email: 'nobody@example.com' });
    assert.deepEqual([known.status, known.text], [unknown.status, unknown.text]);
  }
  const a = await again.login({ password: 'not the password' });
  const b = await new Person(house, 'nobody2@example.com').login();
  assert.deepEqual([a.status, a.json.error.code, a.json.error.message], [b.status, b.json.error.code, b.json.error.message]);
  // What the second one typed did not become the password.
  wrong(await again.login(), 401, 'invalid_credentials');
  assert.equal((await p.other().login()).status, 200);
});

test('who signs up with somebody else\'s address gains nothing', async () => {
  const victim = new Person(house), attacker = new Person(house, victim.email);
  await victim.post('/api/auth/signup', { email: victim.email, password: victim.password });
  const { token } = await victim.mail('/verify');
  await attacker.post('/api/auth/signup', { email: victim.email, password: attacker.password });
  await until('the second mail', async () => (await victim.mails()).length === 2);
  await victim.post('/api/auth/verify', { token });
  assert.equal((await victim.other().login()).status, 200);
  wrong(await attacker.login(), 401, 'invalid_credentials');
});

test('the intro credit comes once per address', async () => {
  const p = await new Person(house, 'twice@example.com').signUp();
  assert.equal((await p.del('/api/me', { password: p.password, confirm: p.email })).status, 204);
  wrong(await p.get('/api/me'), 401, 'missing_credentials');
  const again = await new Person(house, 'Twice+more@example.com').signUp();
  const k = await again.post('/api/keys', {});
  assert.equal((await house.usage(house.keep(k.json.api_key))).balance, 0);
});

test('reset: the link works once, every session ends', async () => {
  const p = await new Person(house).signUp();
  await p.post('/api/auth/forgot', { email: p.email });
  const { token } = await p.mail('/reset');
  wrong(await p.post('/api/auth/reset', { token, password: 'password' }), 422, 'validation_failed', 'password');
  const fresh = house.keep('PLANTED-another password');
  const visitor = new Person(house);
  assert.equal((await visitor.post('/api/auth/reset', { token, password: fresh })).status, 204);
  wrong(await visitor.post('/api/auth/reset', { token, password: fresh }), 404, 'not_found');
  wrong(await p.get('/api/me'), 401, 'session_expired');
  wrong(await p.other().login(), 401, 'invalid_credentials');
  assert.equal((await p.other().login({ password: fresh })).status, 200);
  await p.mail('password');
});

test('password and address are changed with the old password; others are signed out', async () => {
  const p = await new Person(house).signUp();
  const phone = p.other();
  await phone.login();
  const fresh = house.keep('PLANTED-third password');
  wrong(await p.post('/api/auth/password', { old: 'no', new: fresh }), 401, 'invalid_credentials', 'old');
  wrong(await p.post('/api/auth/password', { old: p.password, new: '12345678' }), 422, 'validation_failed', 'new');
  assert.equal((await p.post('/api/auth/password', { old: p.password, new: fresh })).status, 204);
  assert.equal((await p.get('/api/me')).status, 200);
  wrong(await phone.get('/api/me'), 401, 'session_expired');
  p.password = fresh;
  const moved = new Person(house);
  assert.equal((await p.post('/api/auth/email', { email: moved.email, password: fresh })).status, 202);
  const { token } = await moved.mail('/verify');
  assert.equal((await p.me()).user.email, p.email);
  assert.equal((await moved.post('/api/auth/verify', { token })).json.signed_in, false);
  assert.equal((await p.me()).user.email, moved.email);
  await p.mail('instead of this address'); // the old one hears of it
  const other = await new Person(house).signUp();
  const r = await p.post('/api/auth/email', { email: other.email, password: fresh });
  assert.equal(r.status, 202); // says nothing; its owner is told
  await other.mail('already have an account');
});

test('sessions: listed, ended one by one and everywhere; tokens for programs', async () => {
  const p = await new Person(house).signUp();
  const phone = p.other();
  const login = await phone.post('/api/auth/login', { email: p.email, password: p.password }, { headers: { 'user-agent': 'Phone "<b>\t7' } });
  phone.csrf = login.json.csrf_token;
  await p.mail('New sign-in');
  const list = (await p.get('/api/auth/sessions')).json.data;
  assert.equal(list.length, 2);
  assert.ok(list.some((s) => s.current) && list.some((s) => s.user_agent.startsWith('Phone "<b>')));
  const stranger = await new Person(house).signUp();
  wrong(await stranger.del(`/api/auth/sessions/${list.find((s) => !s.current).id}`), 404, 'not_found');
  assert.equal((await p.del(`/api/auth/sessions/${list.find((s) => !s.current).id}`)).status, 204);
  wrong(await phone.get('/api/me'), 401, 'session_expired');
  const program = new Person(house, p.email, p.password);
  const t = await program.login({ transport: 'token' });
  assert.match(t.json.token, /^ses_[0-9A-Za-z]{43}$/);
  assert.equal(t.headers.get('set-cookie'), null);
  const as = { headers: { authorization: `Bearer ${house.keep(t.json.token)}` }, csrf: null };
  assert.equal((await program.post('/api/keys', { name: 'by token' }, as)).status, 201);
  const listed = (await program.get('/keys/list', as)).json.keys;
  assert.equal(listed.length, 1);
  wrong(await program.post('/keys/rotate', {}, as), 400, 'invalid_request', 'key_id');
  const rotated = await program.post('/keys/rotate', { key_id: listed[0].id, grace_seconds: 5 }, as);
  assert.equal(rotated.status, 200, rotated.text);
  house.keep(rotated.json.apiKey);
  wrong(await p.get('/keys/list'), 401, 'missing_api_key'); // no cookies outside /api
  assert.equal((await p.post('/api/auth/logout', { everywhere: true })).status, 204);
  wrong(await program.get('/api/me', as), 401, 'session_expired');
});

test('the cookie: for scripts invisible, for other sites useless', async () => {
  const p = await new Person(house).signUp();
  const r = await p.other().post('/api/auth/login', { email: p.email, password: p.password });
  assert.match(r.headers.get('set-cookie'), /^tollgate_session=ses_\w+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax$/);
  wrong(await p.post('/api/keys', {}, { csrf: null }), 403, 'csrf_failed');
  wrong(await p.post('/api/keys', {}, { csrf: 'f'.repeat(64) }), 403, 'csrf_failed');
  const form = await p.ask('POST', '/api/auth/login', JSON.stringify({ email: p.email, password: p.password }), { headers: { 'content-type': 'text/plain' } });
  wrong(form, 415, 'unsupported_media_type');
});

test('behind https the cookie is bound to the host and to TLS', async () => {
  const h = await House.start({ mail: true, config: [...QUICK, 'public_url = https://tollgate.example.com'] });
  try {
    const p = await new Person(h).signUp();
    const r = await p.other().post('/api/auth/login', { email: p.email, password: p.password });
    assert.match(r.headers.get('set-cookie'), /^__Host-tollgate_session=ses_\w+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax; Secure$/);
    assert.match((await p.mail('/verify')).text, /https:\/\/tollgate\.example\.com\/verify\?token=/);
  } finally {
    await h.stop();
  }
});

test('guessing gets slower, for the account whoever asks, and is forgiven on success', async () => {
  const p = await new Person(house).signUp();
  // The first delay is a second, which may be over before the next guess: then another one doubles it.
  const braked = (x) => until('the brake', async () => {
    const r = await x.login({ password: 'guess' });
    if (r.status === 401) return null;
    wrong(r, 429, 'rate_limit_exceeded');
    return r;
  });
  const guess = new Person(house, p.email);
  for (let i = 0; i < 6; i++) wrong(await guess.login({ password: `guess ${i}` }), 401, 'invalid_credentials');
  let r;
  await until('the right one to be refused, too', async () => {
    r = await braked(guess);
    assert.ok(Number(r.headers.get('retry-after')) >= 1);
    const right = await p.other().login();
    return right.status === 429 && right.json.error.code === 'rate_limit_exceeded';
  });
  await new Promise((done) => setTimeout(done, Number(r.headers.get('retry-after-ms')) + 50));
  assert.equal((await p.other().login()).status, 200);
  const nobody = new Person(house, 'not-there@example.com');
  for (let i = 0; i < 6; i++) wrong(await nobody.login(), 401, 'invalid_credentials');
  await braked(nobody); // as for one that exists
});

test('the second factor: app, recovery codes, each once', async () => {
  const p = await new Person(house).signUp();
  wrong(await p.post('/api/auth/totp/start', { password: 'no' }), 401, 'invalid_credentials');
  const s = await p.post('/api/auth/totp/start', { password: p.password });
  assert.equal(s.status, 200, s.text);
  house.keep(s.json.secret);
  assert.match(s.json.otpauth_uri, /^otpauth:\/\/totp\/Tollgate:person\d+%40example\.com\?secret=[A-Z2-7]{32}&issuer=Tollgate$/);
  assert.match(s.json.qr_svg, /^<svg [^>]+>.*<\/svg>$/s);
  wrong(await p.post('/api/auth/totp/confirm', { code: '000000' }), 401, 'totp_invalid');
  const code = await totp(s.json.secret);
  const c = await p.post('/api/auth/totp/confirm', { code });
  assert.equal(c.json.recovery_codes.length, 10, c.text);
  c.json.recovery_codes.forEach((x) => house.keep(x));
  assert.ok((await p.me()).user.totp_enabled);
  const phone = p.other();
  wrong(await phone.login(), 401, 'totp_required');
  wrong(await phone.login({ code }), 401, 'totp_invalid'); // its step was used
  const next = await totp(s.json.secret, Date.now() + 30000);
  assert.equal((await phone.login({ code: next })).status, 200);
  wrong(await p.other().login({ code: next }), 401, 'totp_invalid');
  const [one, two] = c.json.recovery_codes;
  assert.equal((await p.other().login({ code: one.toUpperCase().replace('-', ' ') })).status, 200);
  wrong(await p.other().login({ code: one }), 401, 'totp_invalid');
  const fresh = await p.post('/api/auth/totp/recovery', { password: p.password, code: two });
  assert.equal(fresh.json.recovery_codes.length, 10, fresh.text);
  fresh.json.recovery_codes.forEach((x) => house.keep(x));
  assert.equal((await p.post('/api/auth/totp/disable', { password: p.password, code: fresh.json.recovery_codes[0] })).status, 204);
  assert.equal((await p.other().login()).status, 200);
});

test('profile, and the end of an account: the person goes, the ledger stays', async () => {
  const p = await new Person(house).signUp({ name: 'Old' });
  const r = await p.patch('/api/me', { name: 'Ünïcödé <script>alert(1)</script>' });
  assert.equal(r.json.user.name, 'Ünïcödé <script>alert(1)</script>');
  wrong(await p.patch('/api/me', { name: 'a\u0007b' }), 422, 'validation_failed', 'name');
  wrong(await p.patch('/api/me', { nome: 'x' }), 400, 'invalid_request', 'nome');
  const k = house.keep((await p.post('/api/keys', {})).json.api_key);
  assert.equal((await house.fetch('/me', { key: k })).status, 200);
  wrong(await p.del('/api/me', { password: p.password, confirm: 'other@example.com' }), 422, 'validation_failed', 'confirm');
  wrong(await p.del('/api/me', { password: 'no', confirm: p.email }), 401, 'invalid_credentials');
  assert.equal((await p.del('/api/me', { password: p.password, confirm: p.email })).status, 204);
  await p.mail('was deleted');
  assert.equal((await house.fetch('/me', { key: k })).status, 401);
  wrong(await p.other().login(), 401, 'invalid_credentials');
  assert.equal((await house.verify()).ok, true);
});
