// Every route of the control API is walked from the route table: without credentials, with those of
// somebody else, of a lower role, of the past; with a wrong CSRF token; with bodies too large, of the
// wrong type, full of SQL, markup and line ends. A new route is walked as soon as it is in the table.
import { test, before, after, describe } from 'node:test';
import assert from 'node:assert/strict';
import { House } from './lib/house.mjs';
import { Person, QUICK } from './lib/people.mjs';
import { permissions, routes } from './lib/routes.mjs';

// What a good request says, so that each of its members can be spoilt.
const samples = {
  'POST /api/auth/signup': { email: 'x@example.com', password: 'a good password', name: 'X', company: 'Y', invitation: 'z' },
  'POST /api/auth/verify': { token: 'x' },
  'POST /api/auth/resend': { email: 'x@example.com' },
  'POST /api/auth/forgot': { email: 'x@example.com' },
  'POST /api/auth/reset': { token: 'x', password: 'a good password' },
  'POST /api/auth/setup': { token: 'x', email: 'x@example.com', password: 'a good password', name: 'X' },
  'POST /api/auth/login': { email: 'x@example.com', password: 'x', code: '1', transport: 'cookie' },
  'POST /api/auth/logout': { everywhere: false },
  'POST /api/auth/password': { old: 'x', new: 'y' },
  'POST /api/auth/email': { email: 'x@example.com', password: 'x' },
  'GET /api/auth/options': null,
  'GET /api/auth/sessions': null,
  'DELETE /api/auth/sessions/{id}': null,
  'POST /api/auth/totp/start': { password: 'x' },
  'POST /api/auth/totp/confirm': { code: '1' },
  'POST /api/auth/totp/disable': { password: 'x', code: '1' },
  'POST /api/auth/totp/recovery': { password: 'x', code: '1' },
  'POST /api/auth/device': null,
  'POST /api/auth/token': null,
  'GET /api/auth/device/{user_code}': null,
  'POST /api/auth/device/decide': { user_code: 'BCDF-BCDF', approve: true, team_id: 'x' },
  'GET /api/me': null,
  'PATCH /api/me': { name: 'x', company: 'y' },
  'POST /api/me/team': { team_id: 'x' },
  'DELETE /api/me': { password: 'x', confirm: 'y' },
  'GET /api/keys': null,
  'POST /api/keys': { name: 'x', scope: 'usage', expires_at: '2030-01-01', models: ['a'], ips: ['10.0.0.1'], cap: '1', limits: { rpm: 1 } },
  'GET /api/keys/{id}': null,
  'PATCH /api/keys/{id}': { name: 'x', scope: 'usage', expires_at: '2030-01-01', models: ['a'], ips: ['10.0.0.1'], cap: '1', limits: { rpm: 1 } },
  'POST /api/keys/{id}/rotate': { grace_seconds: 1 },
  'GET /api/teams': null,
  'POST /api/teams': { name: 'x' },
  'GET /api/teams/{id}': null,
  'PATCH /api/teams/{id}': { name: 'x' },
  'DELETE /api/teams/{id}': { confirm: 'x' },
  'POST /api/teams/{id}/transfer': { user_id: 'x' },
  'GET /api/teams/{id}/members': null,
  'PATCH /api/teams/{id}/members/{user_id}': { role: 'viewer', cap: '1' },
  'DELETE /api/teams/{id}/members/{user_id}': null,
  'GET /api/teams/{id}/invitations': null,
  'POST /api/teams/{id}/invitations': { email: 'x@example.com', role: 'viewer' },
  'DELETE /api/teams/{id}/invitations/{invitation_id}': null,
  'GET /api/invitations/{token}': null,
  'POST /api/invitations/{token}/accept': null,
  'GET /api/audit': null,
  'GET /api/admin/audit': null,
  'GET /api/admin/customers': null,
  'GET /api/admin/customers/{id}': null,
  'POST /api/admin/customers/{id}/suspend': {},
  'POST /api/admin/customers/{id}/unsuspend': {},
  'POST /api/admin/customers/{id}/credit': { amount: '1', reason: 'x' },
  'POST /api/admin/customers/{id}/limits': { rpm: 1 },
  'GET /api/admin/providers': null,
  'POST /api/admin/providers': { name: 'x', kind: 'openai', base_url: 'http://127.0.0.1:1/v1', api_key: 'x' },
  'DELETE /api/admin/providers/{name}': null,
  'POST /api/admin/providers/{name}/test': {},
  'GET /api/admin/routes': null,
  'POST /api/admin/routes': { model: 'x', provider: 'x', upstream_model: 'x', priority: 1, weight: 1 },
  'DELETE /api/admin/routes/{id}': null,
  'GET /api/admin/prices': null,
  'POST /api/admin/prices': { model: 'x', input: '1', output: '1' },
  'POST /api/admin/prices/sync': { provider: 'x' },
  'GET /api/admin/pricing-rules': null,
  'POST /api/admin/pricing-rules': { model: 'x', markup: '1', min_cost: '1', priority: 1 },
  'DELETE /api/admin/pricing-rules/{id}': null,
  'POST /api/admin/pricing-rules/dry-run': { model: 'x', markup: '1', min_cost: '1', priority: 1 },
  'GET /api/admin/margin': null,
  'GET /api/admin/settings': null,
  'PATCH /api/admin/settings': { limits: { rpm: 1 } },
  'GET /api/admin/health': null,
  'GET /api/usage/current': null,
  'GET /api/usage/series': null,
  'GET /api/usage/history': null,
  'GET /api/usage/export.csv': null,
  'GET /api/billing/balance': null,
  'GET /api/billing/lots': null,
  'GET /api/billing/transactions': null,
  'GET /api/billing/options': null,
  'POST /api/billing/checkout': { amount: '25' },
  'GET /api/billing/payments': null,
  'GET /api/billing/payments/{id}': null,
  'POST /api/stripe/create-checkout-session': { amount: '25' },
  'POST /api/stripe/webhook': null,
  'GET /api/admin/payments': null,
  'GET /api/admin/payments/{id}': null,
  'POST /api/admin/payments/{id}/refund': { amount: '1', reason: 'x' },
  'POST /api/admin/payments/{id}/disputes/{dispute_id}/release': { reason: 'x' },
  'GET /api/admin/invoices/{id}/pdf': null,
  'GET /api/admin/stripe-events': null,
  'GET /api/admin/reconciliation': null,
  'POST /api/admin/reconciliation': null,
  'GET /api/models': null,
  'GET /api/webhooks': null,
  'POST /api/webhooks': { url: 'https://example.com/x', events: ['*'], description: 'x' },
  'GET /api/webhooks/{id}': null,
  'PATCH /api/webhooks/{id}': { url: 'https://example.com/x', events: ['*'], description: 'x', enabled: false },
  'DELETE /api/webhooks/{id}': null,
  'POST /api/webhooks/{id}/rotate': { grace_seconds: 1 },
  'POST /api/webhooks/{id}/test': {},
  'GET /api/webhooks/{id}/deliveries': null,
  'GET /api/webhooks/{id}/deliveries/{delivery_id}': null,
  'POST /api/webhooks/{id}/deliveries/{delivery_id}/replay': {},
  'POST /api/webhooks/{id}/replay': { start: '2026-01-01', end: '2026-02-01', status: 'failed' },
  'GET /api/billing/alerts': null,
  'POST /api/billing/redeem': { code: 'WELCOME-2026' },
  'GET /api/billing/auto-topup': null,
  'PATCH /api/billing/auto-topup': { enabled: false, threshold: '5', amount: '25', monthly_cap: '100' },
  'GET /api/billing/invoices': null,
  'GET /api/billing/invoices/{id}/pdf': null,
  'GET /api/billing/transactions.csv': null,
  'GET /api/billing/details': null,
  'PATCH /api/billing/details': { name: 'x', address: 'Street 1', tax_id: 'DE1', email: 'x@example.com' },
  'GET /api/plans': null,
  'GET /api/billing/subscription': null,
  'POST /api/billing/subscription': { plan: 'plan_x' },
  'POST /api/billing/subscription/preview': { plan: 'plan_x' },
  'POST /api/billing/subscription/change': { plan: 'plan_x' },
  'POST /api/billing/subscription/cancel': {},
  'POST /api/billing/subscription/resume': {},
  'POST /api/billing/portal': {},
  'GET /api/admin/plans': null,
  'GET /api/admin/plans/{id}': null,
  'POST /api/admin/plans': { name: 'x', price: '1', monthly_credit: '1', description: 'x', interval: 'year', roll_over: 'capped', roll_over_max: '1', limits: { rpm: 1 }, trial_days: 1, trial_credit: '1', active: true },
  'PATCH /api/admin/plans/{id}': { name: 'x', price: '1', monthly_credit: '1', description: 'x', interval: 'year', roll_over: 'capped', roll_over_max: '1', limits: { rpm: 1 }, trial_days: 1, trial_credit: '1', active: true },
  'DELETE /api/admin/plans/{id}': null,
  'GET /api/admin/subscriptions': null,
  'GET /api/admin/subscriptions/{id}': null,
  'POST /api/admin/subscriptions/{id}/cancel': { now: true },
  'POST /api/admin/subscriptions/{id}/refresh': {},
  'GET /api/admin/codes': null,
  'POST /api/admin/codes': { name: 'x', amount: '1', code: 'WORD-1', uses_max: 1, per_user: 1, expires_at: '2040-01-01', credit_days: 1, count: 1 },
  'GET /api/admin/codes/{id}': null,
  'POST /api/admin/codes/{id}/end': {},
  'PATCH /api/billing/alerts': { balance_low: ['1'], usage: ['1'] },
  'POST /api/playground': {},
  'GET /api/admin/jobs': null,
  'GET /api/admin/jobs/{id}': null,
  'POST /api/admin/jobs/{id}/retry': null,
  'POST /api/admin/jobs/{id}/cancel': null,
  'GET /api/admin/upstream-keys': null,
  'POST /api/admin/upstream-keys/{id}/rotate': null,
  'GET /api/auth/oidc/{provider}/start': null,
  'GET /api/auth/oidc/{provider}/callback': null,
  'POST /api/openrouter-provision': { rotate: false },
  'GET /api/auth/identities': null,
  'DELETE /api/auth/identities/{id}': { password: 'x', code: '123456' },
  'POST /api/provision': { rotate: false, name: 'x' },
};
const asks = routes.filter((r) => r.lane === 'ASK');
const name = (r) => `${r.method} ${r.path}`;
const writes = (r) => r.method !== 'GET';
const rank = ['viewer', 'developer', 'admin', 'owner'];

let house, owner, stranger, gone, team, ids, operator;
const people = {};

before(async () => {
  house = await House.start({ mail: true, config: QUICK });
  owner = people.owner = await new Person(house).signUp();
  team = (await owner.post('/api/teams', { name: 'Shared' })).json.id;
  for (const role of rank.slice(0, 3)) {
    const p = people[role] = new Person(house);
    assert.equal((await owner.post(`/api/teams/${team}/invitations`, { email: p.email, role })).status, 201);
    await p.signUp();
    const { token } = await p.mail('/invitation');
    assert.equal((await p.post(`/api/invitations/${token}/accept`)).status, 200);
  }
  for (const p of Object.values(people)) assert.equal((await p.post('/api/me/team', { team_id: team })).json.team.id, team);
  stranger = await new Person(house).signUp();
  gone = await new Person(house).signUp();
  await gone.ask('POST', '/api/auth/logout', {}, { keep: false });
  operator = new Person(house);
  house.keep((await house.json('admin', 'user', 'create', '--email', operator.email, '--operator')).api_key);
  await operator.post('/api/auth/forgot', { email: operator.email });
  await operator.post('/api/auth/reset', { token: (await operator.mail('/reset')).token, password: operator.password });
  await operator.login();
  operator.roams = true;
  const key = (await owner.post('/api/keys', { name: 'of the owner' })).json;
  house.keep(key.api_key);
  const guest = new Person(house);
  const invitation = (await owner.post(`/api/teams/${team}/invitations`, { email: guest.email, role: 'viewer' })).json.id;
  const session = (await owner.get('/api/auth/sessions')).json.data[0].id;
  ids = { team, key: key.id, user: people.viewer.id, invitation, session };
});
after(() => house?.stop());

// A path with things of the shared team in it.
function fill(r) {
  return r.path
    .replace('/api/keys/{id}', `/api/keys/${ids.key}`)
    .replace('/api/teams/{id}', `/api/teams/${ids.team}`)
    .replace('/sessions/{id}', `/sessions/${ids.session}`)
    .replace('{user_id}', ids.user)
    .replace('{invitation_id}', ids.invitation)
    .replace('{user_code}', 'BCDF-GHJK')
    .replace('{token}', 'x'.repeat(43))
    .replace(/\{[^}]+\}/g, 'thing_00000000000000000000000000');
}
const send = (p, r, body, o) => p.ask(r.method, fill(r), writes(r) ? body ?? {} : undefined, o);
const code = (got) => got.json?.error?.code;
const is = (got, status, wanted, r) => assert.deepEqual([got.status, code(got)], [status, wanted], `${name(r)}: ${got.text}`);

test('the tables are understood, and each route of ours has a sample', () => {
  assert.ok(asks.length > 40 && Object.keys(permissions).length > 8);
  for (const n of Object.keys(samples)) assert.ok(routes.some((r) => name(r) === n), `${n} is not in the table`);
  for (const r of routes.filter((x) => x.path.startsWith('/api/')))
    assert.equal(r.lane, 'ASK', `${name(r)} goes around the door`);
});

describe('who asks', () => {
  const guarded = asks.filter((r) => r.need !== 'NONE');
  test('nobody', async () => {
    for (const r of guarded) is(await send(new Person(house), r), 401, r.path.startsWith('/api/') ? 'missing_credentials' : 'missing_api_key', r);
  });
  test('a session that was ended', async () => {
    for (const r of guarded.filter((x) => x.path.startsWith('/api/')))
      is(await send(gone, r, undefined, { keep: false }), 401, 'session_expired', r);
  });
  test('nonsense in every place for credentials', async () => {
    const all = ['ses_' + '0'.repeat(43), 'tg_' + '0'.repeat(38), 'eyJhbGciOiJub25lIn0.e30.', 'Bearer', '\'; --', 'x'.repeat(5000)];
    for (const r of guarded)
      for (const c of all) {
        const got = await send(new Person(house), r, undefined, { headers: { authorization: `Bearer ${c}` } });
        assert.equal(got.status, 401, `${name(r)} with ${c.slice(0, 20)}: ${got.text}`);
      }
  });
  test('a write without the CSRF token, or with another session\'s', async () => {
    for (const r of guarded.filter((x) => writes(x) && x.path.startsWith('/api/'))) {
      is(await send(owner, r, undefined, { csrf: null }), 403, 'csrf_failed', r);
      is(await send(owner, r, undefined, { csrf: stranger.csrf }), 403, 'csrf_failed', r);
    }
  });
  test('a lower role', async () => {
    for (const r of guarded.filter((x) => permissions[x.need] && x.path.startsWith('/api/')))
      for (const role of rank)
        if (!permissions[r.need][role]) is(await send(people[role], r), 403, 'role_missing', r);
  });
  test('every role that may read, reads', async () => {
    for (const r of guarded.filter((x) => permissions[x.need] && !writes(x) && x.path.startsWith('/api/')))
      for (const role of rank)
        if (permissions[r.need][role]) {
          const got = await send(people[role], r);
          assert.ok(![401, 403].includes(got.status) && got.status < 500, `${role}, ${name(r)}: ${got.text}`);
        }
  });
  test('somebody of another team: there is no such thing', async () => {
    for (const r of guarded.filter((x) => /^\/api\/(keys|teams|auth\/sessions)\/\{/.test(x.path)))
      is(await send(stranger, r, samples[name(r)] ?? {}), 404, 'not_found', r);
  });
  test('somebody who is no operator: there is no such thing', async () => {
    for (const r of guarded.filter((x) => x.need === 'OPERATOR')) is(await send(owner, r), 404, 'not_found', r);
  });
  test('an API key without the scope', async () => {
    const made = (await owner.post('/api/keys', { scope: 'inference' })).json;
    const as = { headers: { authorization: `Bearer ${house.keep(made.api_key)}` } };
    for (const r of guarded) {
      const got = await send(new Person(house), r, undefined, as);
      if (r.need === 'OPERATOR') is(got, 404, 'not_found', r);
      else is(got, 403, 'scope_missing', r);
    }
  });
});

describe('what is sent', () => {
  // A provider that an operator names may well not answer.
  const stands = (got) => got.status < 500 || /^upstream_/.test(code(got));
  const evil = ['\'; DROP TABLE app_user; --', '" OR ""="', '<script>alert(1)</script>', 'a\r\nSet-Cookie: x=1', '\u202e\u0000', '%00%0d%0a', 'x'.repeat(9000), '☃'.repeat(300)];
  // The owner's things would be changed by some of it.
  const victim = async () => {
    const p = await new Person(house).signUp();
    p.roams = true;
    const t = (await p.post('/api/teams', { name: 'Victim' })).json.id;
    await p.post('/api/me/team', { team_id: t });
    const k = (await p.post('/api/keys', {})).json;
    house.keep(k.api_key);
    return { p, who: (r) => (r.need === 'OPERATOR' ? operator : p), at: (r) => fill(r).replace(ids.team, t).replace(ids.key, k.id).replace(ids.user, p.id) };
  };
  test('bodies too large, of another type, of nothing known', async () => {
    const v = await victim();
    for (const r of asks.filter((x) => x.body > 0 && x.path.startsWith('/api/'))) {
      const at = v.at(r);
      const large = await v.who(r).ask(r.method, at, `{"x":"${'a'.repeat(r.body)}"}`);
      is(large, 413, 'body_too_large', r);
      if (['/api/auth/device', '/api/auth/token', '/api/stripe/webhook'].includes(r.path)) continue; // forms, and what is signed
      for (const body of ['[]', '"x"', '5', 'null', '{', '{"a":1', '\u0000', '{"a":1}}'])
        is(await v.who(r).ask(r.method, at, body), 400, 'invalid_json', r);
      const got = await v.who(r).ask(r.method, at, '{"no_such_member":1}');
      assert.ok(got.status === 400 || [404, 429].includes(got.status), `${name(r)}: ${got.text}`);
    }
  });
  test('members of the wrong type', async () => {
    const v = await victim();
    for (const r of asks.filter((x) => samples[name(x)]))
      for (const member of Object.keys(samples[name(r)]))
        for (const bad of [5, true, [], {}, ['x', 5], 'x', null, -1, 1e99]) {
          if (typeof bad === typeof samples[name(r)][member] && !Array.isArray(bad) && bad !== null && typeof bad !== 'object') continue;
          const got = await v.who(r).ask(r.method, v.at(r), { ...samples[name(r)], [member]: bad });
          assert.ok(stands(got), `${name(r)} ${member}=${JSON.stringify(bad)}: ${got.text}`);
          if (![401, 404, 415, 429].includes(got.status) && got.status >= 400) assert.equal(typeof got.json.error.message, 'string');
        }
  });
  test('SQL, markup, line ends and worse in every member', async () => {
    const v = await victim();
    for (const r of asks.filter((x) => samples[name(x)] && x.path !== '/api/auth/logout'))
      for (const member of Object.keys(samples[name(r)]))
        for (const text of evil) {
          const got = await v.who(r).ask(r.method, v.at(r), { ...samples[name(r)], [member]: text });
          assert.ok(stands(got), `${name(r)} ${member}=${JSON.stringify(text)}: ${got.text}`);
          assert.notEqual(got.headers.get('set-cookie'), 'x=1');
          assert.match(got.headers.get('content-type') ?? 'application/json', /^application\/json/);
          assert.equal(got.headers.get('x-content-type-options'), 'nosniff');
        }
  });
  test('the same in paths and queries', async () => {
    const v = await victim();
    for (const r of asks) {
      for (const text of evil) {
        const part = encodeURIComponent(text).slice(0, 2000).replace(/%[0-9A-F]?$/, '');
        const path = r.path.replace(/\{[^}]+\}/g, part);
        const query = ['limit', 'cursor', 'status', 'actor', 'start', 'end', 'q', 'model', 'bucket', 'group', 'kind'].map((n) => `${n}=${part}`).join('&');
        for (const at of [path, `${v.at(r)}?${query.slice(0, 6000)}`]) {
          const got = await v.who(r).ask(r.method, at, writes(r) ? {} : undefined, { keep: false });
          assert.ok(stands(got), `${r.method} ${at.slice(0, 200)}: ${got.text}`);
        }
      }
    }
  });
  test('names come back as they were given, as JSON and nothing else', async () => {
    const v = await victim();
    for (const text of ['<img src=x onerror=alert(1)>', '"quoted" \\ \'single\'', '💸 Ünïcödé']) {
      assert.equal((await v.p.patch('/api/me', { name: text })).json.user.name, text);
      assert.equal((await v.p.post('/api/keys', { name: text })).json.name, text);
      assert.equal((await v.p.post('/api/teams', { name: text })).json.name, text);
    }
  });
  test('the house stands', async () => {
    assert.equal((await house.verify()).ok, true);
    assert.equal((await owner.get('/api/me')).status, 200);
    const members = (await owner.get(`/api/teams/${team}/members`)).json.data;
    assert.deepEqual(members.map((m) => m.role).sort(), ['admin', 'developer', 'owner', 'viewer']);
  });
});
