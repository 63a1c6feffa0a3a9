// Signing in elsewhere: OpenID Connect against a certified issuer, GitHub's way, and tokens of issuers
// as bearers. exercises: GET /api/auth/oidc/{provider}/start, GET /api/auth/oidc/{provider}/callback,
// GET /api/auth/identities, DELETE /api/auth/identities/{id}
import { test, before, after, describe } from 'node:test';
import assert from 'node:assert/strict';
import { House, until } from './lib/house.mjs';
import { Person, QUICK, totp } from './lib/people.mjs';
import { Hub } from './lib/hub.mjs';
import { Certified } from './lib/issuers.mjs';
import { Signer, key, now } from './lib/signer.mjs';

let house, issuer, hub, signer, liar;
const people = {
  ada: { email: 'ada@example.com', email_verified: true, name: 'Ada' },
  bob: { email: 'bob@example.com', email_verified: false },
  eve: { email: 'eve@example.com', email_verified: true },
};

// A browser: follows redirects over both origins with their cookies, and says where it ended.
async function browse(person, url, { other = new Map(), spoil = (u) => u } = {}) {
  for (let i = 0; i < 12; i++) {
    if (url.startsWith(house.url)) {
      const path = spoil(url).slice(house.url.length);
      if (!path.startsWith('/api/auth/oidc/')) return path;
      const r = await person.get(path);
      if (r.status !== 302) return r;
      url = r.headers.get('location');
    } else {
      const r = await fetch(url, { redirect: 'manual', headers: { cookie: [...other].map(([k, v]) => `${k}=${v}`).join('; ') } });
      for (const line of r.headers.getSetCookie()) {
        const [, k, v] = /^([^=]+)=([^;]*)/.exec(line);
        other.set(k, v);
      }
      assert.ok([302, 303].includes(r.status), `${r.status}: ${await r.text()}`);
      url = new URL(r.headers.get('location'), url).href;
    }
  }
  assert.fail('it goes in circles');
}
const go = (person, provider, options) => browse(person, `${house.url}/api/auth/oidc/${provider}/start?redirect=/keys`, options);
const link = (person, provider, csrf = person.csrf) => browse(person, `${house.url}/api/auth/oidc/${provider}/start?redirect=/keys&link=${csrf}`);
const someone = () => new Person(house);

before(async () => {
  issuer = await Certified.start(people);
  hub = await Hub.start();
  signer = await Signer.start();
  liar = await Signer.start();
  liar.says = 'https://evil.example';
  house = await House.start({ mail: true, config: [...QUICK,
    '[oidc]', `issuer = ${issuer.url}`, 'client_id = house', 'client_secret = PLANTED-client-secret', 'name = Acme SSO',
    '[github]', 'client_id = hub', 'client_secret = PLANTED-hub-secret', `url = ${hub.url}`, `api_url = ${hub.url}/api`,
    '[jwt]', `issuers = ${signer.url}, ${liar.url}`, 'audiences = house'] });
  house.keep('PLANTED-client-secret');
  house.keep('PLANTED-hub-secret');
  house.keep('PLANTED-hub-token');
  issuer.open([`${house.url}/api/auth/oidc/oidc/callback`]);
});
after(async () => {
  if (process.env.SHOW) console.log(house.child.log);
  await house?.stop();
  await issuer?.stop();
  await hub?.stop();
  await signer?.stop();
  await liar?.stop();
});

describe('a certified issuer', () => {
  test('a stranger becomes a customer, and is the same one the next time', async () => {
    issuer.who = 'ada';
    const p = someone();
    assert.equal(await go(p, 'oidc'), '/keys');
    const me = await p.me();
    assert.equal(me.user.email, 'ada@example.com');
    assert.equal(me.user.name, 'Ada');
    assert.equal(me.user.email_verified, true);
    assert.equal(me.user.has_password, false);
    const again = someone();
    people.ada.email = 'ada.moved@example.com'; // it is the subject that counts
    assert.equal(await go(again, 'oidc'), '/keys');
    assert.equal((await again.me()).user.id, me.user.id);
    const options = await p.get('/api/auth/options');
    assert.deepEqual(options.json.providers, [{ id: 'github', name: 'GitHub' }, { id: 'oidc', name: 'Acme SSO' }]);
  });

  test('an address that the issuer has not verified opens nothing', async () => {
    issuer.who = 'bob';
    assert.equal(await go(someone(), 'oidc'), '/sign-in?error=email_unverified');
  });

  test('an account with a verified address is linked by it, once', async () => {
    const p = await new Person(house, 'eve@example.com').signUp();
    issuer.who = 'eve';
    const b = someone();
    assert.equal(await go(b, 'oidc'), '/keys');
    assert.equal((await b.me()).user.id, p.id);
    assert.equal((await p.login()).status, 200, 'the password stays');
  });

  test('an account whose address nobody had verified loses what its maker set', async () => {
    people.mallory = { email: 'victim@example.com', email_verified: true };
    const attacker = new Person(house, 'victim@example.com');
    assert.equal((await attacker.post('/api/auth/signup', { email: attacker.email, password: attacker.password })).status, 202);
    issuer.who = 'mallory';
    const victim = someone();
    assert.equal(await go(victim, 'oidc'), '/keys');
    assert.equal((await victim.me()).user.email, 'victim@example.com');
    assert.equal((await attacker.login()).status, 401);
  });

  test('a second factor is not walked around; who is signed in links himself', async () => {
    people.tom = { email: 'tom@example.com', email_verified: true };
    const p = await new Person(house, 'tom@example.com').signUp();
    const { secret } = (await p.post('/api/auth/totp/start', { password: p.password })).json;
    house.keep(secret);
    assert.equal((await p.post('/api/auth/totp/confirm', { code: await totp(secret) })).status, 200);
    issuer.who = 'tom';
    assert.equal(await go(someone(), 'oidc'), '/sign-in?error=second_factor');
    assert.equal((await link(p, 'oidc', 'x')).status, 403, 'another page cannot have it done');
    assert.equal((await link(someone(), 'oidc', 'x')).status, 401);
    assert.equal(await link(p, 'oidc'), '/keys');
    assert.ok((await p.mail('/security')).text.includes('by way of'));
    const b = someone();
    assert.equal(await go(b, 'oidc'), '/keys');
    assert.equal((await b.me()).user.id, p.id);
    const thief = await someone().signUp(); // an identity belongs to one account
    assert.equal(await link(thief, 'oidc'), '/sign-in?error=taken');
    const id = (await thief.me()).user.id;
    assert.equal(await go(thief, 'oidc'), '/keys'); // without asking to link it is a sign-in
    assert.notEqual((await thief.me()).user.id, id);
  });

  test('what is connected is listed, and let go: with the password, but never the last way in', async () => {
    const list = async (x) => (await x.get('/api/auth/identities')).json.data;
    const refused = (got, status, code) => assert.deepEqual([got.status, got.json?.error.code], [status, code], got.text);
    people.una = { email: 'una@elsewhere.example.com', email_verified: true };
    issuer.who = 'una';
    const p = await someone().signUp();
    assert.deepEqual(await list(p), []);
    assert.equal(await link(p, 'oidc'), '/keys');
    const [one, ...more] = await list(p);
    assert.equal(more.length, 0);
    assert.match(one.id, /^idn_[0-9A-Z]{26}$/);
    assert.deepEqual([one.provider, one.name, one.issuer, one.email, one.removable], ['oidc', 'Acme SSO', issuer.url, people.una.email, true]);
    const at = `/api/auth/identities/${one.id}`, b = someone();
    assert.equal(await go(b, 'oidc'), '/keys');
    refused(await p.del(at, {}), 401, 'invalid_credentials');
    refused(await p.del(at, { password: 'wrong' }), 401, 'invalid_credentials');
    refused(await (await someone().signUp()).del(at, { password: p.password }), 401, 'invalid_credentials');
    const other = await someone().signUp();
    refused(await other.del(at, { password: other.password }), 404, 'not_found');
    refused(await p.del('/api/auth/identities/idn_x', { password: p.password }), 404, 'not_found');
    await until('the brake to let go', async () => (await p.del(at, { password: p.password })).status === 204);
    assert.deepEqual(await list(p), []);
    await until('the mail', async () => (await p.mails()).some((m) => m.text.includes('no longer be signed in to by way of Acme SSO')));
    refused(await b.get('/api/me'), 401, 'session_expired');
    refused(await p.del(at, { password: p.password }), 404, 'not_found');
    const stranger = someone(); // who comes that way now is somebody else
    assert.equal(await go(stranger, 'oidc'), '/keys');
    const me = await stranger.me();
    assert.notEqual(me.user.id, p.id);
    const [only] = await list(stranger);
    assert.equal(only.removable, false);
    refused(await stranger.del(`/api/auth/identities/${only.id}`, {}), 409, 'conflict');
    // Two of them, and no password: whoever has just signed in may.
    hub.user = { id: 815, login: 'una', name: 'Una' };
    hub.emails = [{ email: people.una.email, verified: true, primary: true }];
    assert.equal(await link(stranger, 'github'), '/keys');
    assert.deepEqual((await list(stranger)).map((x) => [x.provider, x.removable]), [['oidc', true], ['github', true]]);
    house.sql(`UPDATE session SET created_us = created_us - 660000000 WHERE user_id = '${me.user.id}'`);
    refused(await stranger.del(`/api/auth/identities/${only.id}`, {}), 403, 'forbidden');
    const fresh = someone();
    assert.equal(await go(fresh, 'github'), '/keys');
    await fresh.me();
    assert.equal((await fresh.del(`/api/auth/identities/${only.id}`, {})).status, 204);
    refused(await stranger.get('/api/me'), 401, 'session_expired');
    assert.deepEqual((await list(fresh)).map((x) => [x.provider, x.removable]), [['github', false]]);
    const lines = (await fresh.get('/api/audit?action=identity.unlink')).json.data;
    assert.deepEqual(lines.map((l) => l.object), [only.id]);
  });

  test('with a second factor, letting go takes its code as well', async () => {
    people.tim = { email: 'tim@elsewhere.example.com', email_verified: true };
    const p = await someone().signUp();
    const { secret } = (await p.post('/api/auth/totp/start', { password: p.password })).json;
    house.keep(secret);
    await p.post('/api/auth/totp/confirm', { code: await totp(secret) });
    issuer.who = 'tim';
    assert.equal(await link(p, 'oidc'), '/keys');
    const at = `/api/auth/identities/${(await p.get('/api/auth/identities')).json.data[0].id}`;
    for (const [body, code] of [[{ password: p.password }, 'totp_required'], [{ password: p.password, code: '000000' }, 'totp_invalid']])
      assert.deepEqual((({ status, json }) => [status, json.error.code])(await p.del(at, body)), [401, code]);
    await until('it to be gone', async () => (await p.del(at, { password: p.password, code: await totp(secret, Date.now() + 30000) })).status === 204);
  });

  test('answers that do not fit are refused', async () => {
    issuer.who = 'ada';
    const wrong = (change) => ({ spoil: (u) => (u.includes('/callback') ? change(u) : u) });
    for (const change of [
      (u) => u.replace(/state=[^&]+/, 'state=another'),
      (u) => u.replace(/code=[^&]+/, 'code=another'),
      (u) => u.replace(/iss=[^&]+/, 'iss=https%3A%2F%2Fevil.example'),
      (u) => u.replace(/&iss=[^&]+/, ''), // the issuer says that it names itself
      (u) => u.replace('?', '?error=access_denied&'),
    ])
      assert.equal(await go(someone(), 'oidc', wrong(change)), '/sign-in?error=denied');
    assert.equal(await browse(someone(), `${house.url}/api/auth/oidc/oidc/callback?code=x&state=y`), '/sign-in?error=expired');
    issuer.refuses = true;
    assert.equal(await go(someone(), 'oidc'), '/sign-in?error=denied');
    issuer.refuses = false;
    assert.equal((await someone().get('/api/auth/oidc/none/start')).status, 404);
    assert.equal((await someone().get('/api/auth/oidc/none/callback')).status, 404);
  });

  test("one browser's answer is no use in another", async () => {
    issuer.who = 'ada';
    let at;
    await go(someone(), 'oidc', { spoil: (u) => { if (u.includes('/callback')) at = u; return u.replace('/callback', '/x'); } });
    assert.equal(await browse(someone(), at), '/sign-in?error=expired');
  });

  test('nobody is sent elsewhere', async () => {
    issuer.who = 'ada';
    for (const place of ['//evil.example', 'https://evil.example', '/\\evil.example', '/a%0d%0aX: y', '', 'keys'])
      assert.equal(await browse(someone(), `${house.url}/api/auth/oidc/oidc/start?redirect=${place}`), '/', place);
  });

  test('other keys are found, and the issuer may be away meanwhile', async () => {
    issuer.who = 'ada';
    issuer.open([`${house.url}/api/auth/oidc/oidc/callback`], [key()]);
    await until('the new key to be taken', async () => (await go(someone(), 'oidc')) === '/keys', 20000);
    issuer.deaf = true;
    const r = await go(someone(), 'oidc').catch((e) => e);
    assert.ok(r instanceof Error || r === '/sign-in?error=unavailable', String(r)); // the browser finds nobody
    issuer.deaf = false;
  });
});

describe('GitHub', () => {
  test('its verified primary address, and its number', async () => {
    hub.user = { id: 4711, login: 'octo', name: 'Octo Cat' };
    hub.emails = [{ email: 'other@example.com', primary: false, verified: true }, { email: 'octo@example.com', primary: true, verified: true }];
    const p = someone();
    assert.equal(await go(p, 'github'), '/keys');
    const me = await p.me();
    assert.equal(me.user.email, 'octo@example.com');
    hub.emails = [];
    const again = someone();
    assert.equal(await go(again, 'github'), '/keys');
    assert.equal((await again.me()).user.id, me.user.id);
    hub.user = { id: 4712, login: 'new' };
    hub.emails = [{ email: 'unsure@example.com', primary: true, verified: false }];
    assert.equal(await go(someone(), 'github'), '/sign-in?error=email_unverified');
    assert.equal(await go(someone(), 'github', { spoil: (u) => u.replace(/code=[^&]+/, 'code=x') }), '/sign-in?error=denied');
  });
});

describe('bearers', () => {
  const ask = (token, method = 'GET', path = '/api/me', body) => fetch(house.url + path, {
    method, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, body: body && JSON.stringify(body) });

  test('a token makes its account, which has a key', async () => {
    const token = signer.token({ sub: 'u1', email: 'u1@example.com', email_verified: true });
    const r = await ask(token, 'POST', '/api/provision', {});
    const first = await r.json();
    assert.equal(r.status, 200, JSON.stringify(first));
    assert.deepEqual([first.success, first.isNewKey, first.apiKey === first.tollgateApiKey], [true, true, true]);
    house.keep(first.apiKey);
    const again = await (await ask(token, 'POST', '/api/provision', {})).json();
    assert.deepEqual([again.isNewKey, again.apiKey, again.keyId], [false, null, first.keyId]);
    const bal = await (await fetch(`${house.url}/me/usage`, { headers: { authorization: `Bearer ${first.apiKey}` } })).json();
    assert.equal(bal.balance, 10, 'the intro credit');
    const other = await (await ask(token, 'POST', '/api/provision', { name: 'laptop' })).json();
    assert.ok(other.isNewKey && other.keyId !== first.keyId);
    house.keep(other.apiKey);
    const rotated = await (await ask(token, 'POST', '/api/provision', { rotate: true })).json();
    assert.ok(rotated.isNewKey && rotated.apiKey);
    house.keep(rotated.apiKey);
    const me = await (await ask(token)).json();
    assert.equal(me.user.email, 'u1@example.com');
  });

  test('without a verified address it is an account of its own', async () => {
    const victim = await new Person(house, 'target@example.com').signUp();
    const token = signer.token({ sub: 'u2', email: 'target@example.com', email_verified: false });
    const me = await (await ask(token)).json();
    assert.notEqual(me.user.id, victim.id);
    assert.match(me.user.email, /@users\.invalid$/);
    assert.equal((await (await ask(signer.token({ sub: 'u2' }))).json()).user.id, me.user.id);
  });

  test('what is not good is not taken', async () => {
    const good = signer.token({ sub: 'u3' });
    assert.equal((await ask(good)).status, 200);
    const bad = {
      expired: signer.token({ sub: 'u3', exp: now() - 120 }),
      early: signer.token({ sub: 'u3', nbf: now() + 600 }),
      'for somebody else': signer.token({ sub: 'u3', aud: 'other' }),
      'of another issuer': signer.token({ sub: 'u3', iss: 'https://evil.example' }),
      'by another key': signer.token({ sub: 'u3' }, { k: key('one') }),
      'by an unknown key': signer.token({ sub: 'u3' }, { k: key('two') }),
      'without a subject': signer.token({ sub: undefined }),
      unsigned: `${Buffer.from('{"alg":"none"}').toString('base64url')}.${good.split('.')[1]}.`,
      altered: good.replace(/\.[^.]+\./, `.${Buffer.from(JSON.stringify({ iss: signer.url, aud: 'house', sub: 'u1', exp: now() + 60 })).toString('base64url')}.`),
    };
    for (const [what, token] of Object.entries(bad)) {
      const r = await ask(token);
      assert.equal(r.status, 401, what);
      assert.equal((await r.json()).error.code, 'invalid_credentials', what);
    }
    assert.equal((await ask(good, 'GET', '/me')).status, 401, 'the API of calls takes keys alone');
    assert.equal((await ask(good, 'GET', '/api/admin/jobs')).status, 404);
  });

  test('an issuer whose document names another is none', async () => {
    assert.equal((await ask(liar.token({ sub: 'u4' }))).status, 503);
  });

  test('keys are rotated, and stay good while the issuer is away', async () => {
    signer.keys = [key('three'), ...signer.keys];
    await until('the new key', async () => (await ask(signer.token({ sub: 'u3' }))).status === 200, 20000);
    const asked = signer.asked, began = Date.now();
    for (let i = 0; i < 10; i++) await ask(signer.token({ sub: 'u3' }, { k: key(`x${i}`) }));
    const most = 2 + Math.floor((Date.now() - began) / 5000); // once in five seconds
    assert.ok(signer.asked <= asked + most, `asked ${signer.asked - asked} times for keys that do not exist`);
    signer.down = true;
    assert.equal((await ask(signer.token({ sub: 'u3' }))).status, 200);
    signer.down = false;
  });
});
