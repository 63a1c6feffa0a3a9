// Teams: a shared wallet, invitations, roles, caps, who may what; the audit log; the first operator.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { House, until } from './lib/house.mjs';
import { Person, QUICK } from './lib/people.mjs';

let house, ann;
before(async () => {
  house = await House.start({ mail: true, config: QUICK });
  ann = await new Person(house).signUp({ name: 'Ann' });
});
after(() => house?.stop());
const wrong = (r, status, code, field) => {
  assert.equal(r.status, status, r.text);
  assert.equal(r.json.error.code, code, r.text);
  if (field) assert.equal(r.json.error.field, field);
};
// A team of ann's with somebody in it.
async function team(role = 'developer') {
  const t = (await ann.post('/api/teams', { name: 'Rockets & <Co>' })).json;
  const bob = await new Person(house).signUp({ name: 'Bob' });
  const i = await ann.post(`/api/teams/${t.id}/invitations`, { email: bob.email, role });
  assert.equal(i.status, 201, i.text);
  const { token, text } = await bob.mail('/invitation');
  assert.match(text, /Ann invites you to the team Rockets/);
  const shown = (await new Person(house).get(`/api/invitations/${token}`)).json;
  assert.deepEqual(shown, { team: { name: 'Rockets & <Co>' }, email: bob.email, role, invited_by: 'Ann', status: 'pending' });
  const a = await bob.post(`/api/invitations/${token}/accept`);
  assert.equal(a.status, 200, a.text);
  assert.deepEqual(a.json.team, { id: t.id, name: 'Rockets & <Co>', role, personal: false });
  await bob.post('/api/me/team', { team_id: t.id });
  return { t, bob, token };
}

test('an invitation: for one address, once, and the inviter hears of it', async () => {
  const { t, token, bob } = await team();
  wrong(await bob.post(`/api/invitations/${token}/accept`), 409, 'conflict');
  await ann.mail('Bob has accepted');
  const eve = await new Person(house).signUp();
  const guest = new Person(house);
  await ann.post(`/api/teams/${t.id}/invitations`, { email: guest.email, role: 'viewer' });
  const sent = await guest.mail('/invitation');
  wrong(await eve.post(`/api/invitations/${sent.token}/accept`), 403, 'forbidden');
  wrong(await ann.post(`/api/teams/${t.id}/invitations`, { email: bob.email, role: 'viewer' }), 409, 'conflict');
  wrong(await ann.post(`/api/teams/${t.id}/invitations`, { email: 'x@example.com', role: 'owner' }), 422, 'validation_failed', 'role');
  const list = (await ann.get(`/api/teams/${t.id}/invitations`)).json.data;
  assert.deepEqual(list.map((i) => [i.email, i.status]).sort(), [[bob.email, 'accepted'], [guest.email, 'pending']].sort());
  assert.equal((await ann.del(`/api/teams/${t.id}/invitations/${list.find((i) => i.email === guest.email).id}`)).status, 204);
  wrong(await guest.get(`/api/invitations/${sent.token}`), 404, 'not_found');
});

test('who signs up by an invitation is in the team when his address is verified', async () => {
  const t = (await ann.post('/api/teams', { name: 'Starters' })).json;
  const bob = new Person(house);
  await ann.post(`/api/teams/${t.id}/invitations`, { email: bob.email, role: 'admin' });
  const { token } = await bob.mail('/invitation');
  await bob.signUp({ invitation: token });
  const me = await bob.me();
  assert.deepEqual(me.teams.map((x) => [x.name, x.role]).sort(), [['Personal', 'owner'], ['Starters', 'admin']]);
});

test('one wallet; the member\'s cap and the key\'s cap hold', async () => {
  const owner = await new Person(house).signUp(), bob = await new Person(house).signUp();
  await owner.post(`/api/teams/${owner.team}/invitations`, { email: bob.email, role: 'developer' });
  await bob.post(`/api/invitations/${(await bob.mail('/invitation')).token}/accept`);
  await bob.post('/api/me/team', { team_id: owner.team });
  const key = house.keep((await bob.post('/api/keys', { name: 'bob' })).json.api_key);
  const ask = (k) => house.fetch('/v1/chat/completions', { key: k, body: { model: 'sandbox/echo', max_tokens: 500, messages: [{ role: 'user', content: 'hello' }] } });
  const call = await ask(key);
  assert.equal(call.status, 200, await call.text()); // the owner's credit
  const member = `/api/teams/${owner.team}/members/${bob.id}`;
  assert.deepEqual((await owner.patch(member, { cap: '0.000001' })).json.cap, { limit: '0.000001', spent: '0' });
  const capped = await ask(key);
  assert.equal(capped.status, 403);
  assert.equal((await capped.json()).error.code, 'spend_cap_reached');
  const second = house.keep((await bob.post('/api/keys', {})).json.api_key); // another key is no way around
  assert.equal((await ask(second)).status, 403);
  assert.equal((await owner.patch(member, { cap: '5' })).json.cap.limit, '5');
  const again = await ask(key);
  assert.equal(again.status, 200, await again.text());
  const spent = (await owner.get(`/api/teams/${owner.team}/members`)).json.data.find((m) => m.user.id === bob.id).cap.spent;
  assert.equal(spent, again.headers.get('x-tollgate-cost-usd'));
  assert.equal((await owner.patch(member, { cap: null })).json.cap, null);
  const small = (await bob.post('/api/keys', { cap: '0.000001' })).json;
  assert.deepEqual(small.cap, { limit: '0.000001', spent: '0' });
  assert.equal((await ask(house.keep(small.api_key))).status, 403);
  await bob.patch(`/api/keys/${small.id}`, { cap: null });
  assert.equal((await ask(small.api_key)).status, 200);
  await bob.patch(`/api/keys/${small.id}`, { models: ['other/*'], scope: 'inference' }); // acts at once
  assert.equal((await (await ask(small.api_key)).json()).error.code, 'model_not_allowed');
  assert.equal((await house.fetch('/keys/list', { key: small.api_key })).status, 403);
});

test('roles: an admin is not over owners, a developer has his own keys, a viewer none', async () => {
  const { t, bob } = await team();
  await ann.post('/api/me/team', { team_id: t.id });
  const hers = (await ann.post('/api/keys', { name: 'hers' })).json;
  house.keep(hers.api_key);
  const his = (await bob.post('/api/keys', { name: 'his' })).json;
  house.keep(his.api_key);
  assert.deepEqual((await bob.get('/api/keys')).json.data.map((k) => k.name), ['his']);
  assert.deepEqual((await ann.get('/api/keys')).json.data.map((k) => k.name), ['his', 'hers']);
  wrong(await bob.post(`/api/keys/${hers.id}/revoke`), 404, 'not_found');
  assert.equal((await ann.patch(`/api/teams/${t.id}/members/${bob.id}`, { role: 'viewer' })).json.role, 'viewer');
  await bob.mail('Your role');
  wrong(await bob.post('/api/keys', {}), 403, 'role_missing');
  const byKey = await house.fetch('/api/keys', { key: his.api_key, body: { name: 'by the old key' } });
  assert.equal(byKey.status, 403, await byKey.text()); // his key reaches no further than his role
  await ann.patch(`/api/teams/${t.id}/members/${bob.id}`, { role: 'admin' });
  wrong(await bob.patch(`/api/teams/${t.id}/members/${ann.id}`, { role: 'viewer' }), 403, 'role_missing');
  wrong(await bob.patch(`/api/teams/${t.id}/members/${bob.id}`, { role: 'owner' }), 403, 'role_missing');
  wrong(await bob.del(`/api/teams/${t.id}/members/${ann.id}`), 403, 'role_missing');
  wrong(await bob.del(`/api/teams/${t.id}`, { confirm: 'Rockets & <Co>' }), 403, 'role_missing');
  assert.equal((await bob.post(`/api/keys/${hers.id}/revoke`)).json.status, 'revoked');
  assert.equal((await house.fetch('/me', { key: hers.api_key })).status, 401);
});

test('transfer, leaving, removal: keys end, an owner stays', async () => {
  const { t, bob } = await team('admin');
  const key = house.keep((await bob.post('/api/keys', {})).json.api_key);
  wrong(await ann.del(`/api/teams/${t.id}/members/${ann.id}`), 409, 'conflict');
  wrong(await ann.del('/api/me', { password: ann.password, confirm: ann.email }), 409, 'conflict');
  assert.equal((await ann.post(`/api/teams/${t.id}/transfer`, { user_id: bob.id })).status, 204);
  await bob.mail('owner of the team');
  assert.equal((await ann.get(`/api/teams/${t.id}`)).json.role, 'admin');
  wrong(await ann.post(`/api/teams/${t.id}/transfer`, { user_id: ann.id }), 403, 'role_missing');
  assert.equal((await ann.del(`/api/teams/${t.id}/members/${ann.id}`)).status, 204); // leaves
  wrong(await ann.get(`/api/teams/${t.id}`), 404, 'not_found');
  const carl = await new Person(house).signUp();
  await bob.post(`/api/teams/${t.id}/invitations`, { email: carl.email, role: 'developer' });
  await carl.post(`/api/invitations/${(await carl.mail('/invitation')).token}/accept`);
  await carl.post('/api/me/team', { team_id: t.id });
  const his = house.keep((await carl.post('/api/keys', {})).json.api_key);
  assert.equal((await house.fetch('/me', { key: his })).status, 200);
  assert.equal((await bob.del(`/api/teams/${t.id}/members/${carl.id}`)).status, 204);
  await carl.mail('no longer');
  assert.equal((await house.fetch('/me', { key: his })).status, 401);
  assert.ok((await carl.me()).team.personal, 'he is in his own team again');
  wrong(await bob.del(`/api/teams/${t.id}`, { confirm: 'Rockets' }), 422, 'validation_failed', 'confirm');
  assert.equal((await bob.del(`/api/teams/${t.id}`, { confirm: 'Rockets & <Co>' })).status, 204);
  assert.equal((await house.fetch('/me', { key })).status, 401);
  wrong(await bob.get(`/api/teams/${t.id}`), 404, 'not_found');
  wrong(await bob.del(`/api/teams/${bob.team}`, { confirm: 'Personal' }), 409, 'conflict');
});

test('the operator gives credit to a team; a customer makes a key with a cap on the command line', async () => {
  const { t, bob } = await team();
  await house.ok(['admin', 'credit', 'add', '--team', t.id, '--amount', '3', '--reason', 'start']);
  assert.equal((await house.cli(['admin', 'credit', 'add', '--team', 'team_x', '--amount', '3', '--reason', 'x'])).code, 1);
  assert.equal((await house.cli(['admin', 'credit', 'add', '--amount', '3', '--reason', 'x'])).code, 2);
  const key = house.keep((await bob.post('/api/keys', {})).json.api_key);
  assert.equal((await house.usage(key)).balance, 3);
  const made = JSON.parse((await house.ok(['keys', 'create', '--json', '--name', 'cli', '--cap', '1.5', '--models', 'sandbox/*, other', '--ips', '127.0.0.0/8'],
    { env: { TOLLGATE_API_KEY: key } })).stdout);
  house.keep(made.api_key);
  assert.deepEqual([made.cap, made.models, made.ips], [{ limit: '1.5', spent: '0' }, ['sandbox/*', 'other'], ['127.0.0.0/8']]);
});

test('what one can have is bounded; a key\'s own limits hold', async () => {
  const p = await new Person(house).signUp();
  for (let i = 0; i < 49; i++) assert.equal((await p.post('/api/teams', { name: `t${i}` })).status, 201);
  wrong(await p.post('/api/teams', { name: 'one more' }), 409, 'conflict');
  const made = await Promise.all([...Array(500)].map(() => p.post('/api/keys', {})));
  made.forEach((k) => house.keep(k.json.api_key));
  assert.ok(made.every((k) => k.status === 201));
  wrong(await p.post('/api/keys', {}), 409, 'conflict');
  await p.post(`/api/keys/${made[0].json.id}/revoke`);
  const slow = await p.post('/api/keys', { limits: { rpm: 1, burst: 1 } });
  assert.equal(slow.json.limits.rpm, 1);
  const ask = () => house.fetch('/v1/chat/completions', { key: house.keep(slow.json.api_key), body: { model: 'sandbox/echo', messages: [{ role: 'user', content: 'x' }] } });
  assert.equal((await ask()).status, 200);
  assert.equal((await ask()).status, 429);
});

test('the audit log: who, what, from where; by page and filter', async () => {
  const { t, bob } = await team();
  await ann.post('/api/me/team', { team_id: t.id });
  await ann.patch(`/api/teams/${t.id}`, { name: 'Renamed' });
  await bob.post('/api/keys', { name: 'logged', cap: '2' });
  const all = (await ann.get('/api/audit?limit=100')).json.data;
  assert.deepEqual(all.map((l) => l.action), ['key.create', 'team.edit', 'invitation.accept', 'invitation.create', 'team.create']);
  const key = all[0];
  assert.deepEqual([key.actor.id, key.actor.email, key.change.name, key.change.cap], [bob.id, bob.email, 'logged', '2']);
  assert.equal(key.address, bob.address);
  const page = (await ann.get('/api/audit?limit=2')).json;
  assert.ok(page.has_more);
  const next = (await ann.get(`/api/audit?limit=2&cursor=${page.next_cursor}`)).json;
  assert.deepEqual([...page.data, ...next.data].map((l) => l.id), all.slice(0, 4).map((l) => l.id));
  assert.equal((await ann.get(`/api/audit?actor=${bob.id}`)).json.data.length, 2);
  assert.equal((await ann.get('/api/audit?action=team')).json.data.length, 2);
  assert.equal((await ann.get('/api/audit?end=2020-01-01')).json.data.length, 0);
  wrong(await ann.get('/api/audit?start=yesterday'), 400, 'invalid_request', 'start');
});

test('a created thing is created once by its Idempotency-Key', async () => {
  const o = { headers: { 'idempotency-key': 'a team once' } };
  const a = await ann.post('/api/teams', { name: 'Once' }, o);
  const b = await ann.post('/api/teams', { name: 'Once' }, o);
  assert.deepEqual(b.json, a.json);
  assert.equal(b.headers.get('idempotency-replayed'), 'true');
  wrong(await ann.post('/api/teams', { name: 'Twice' }, o), 422, 'idempotency_mismatch');
});

test('a fresh house: its link makes the first operator, once', async () => {
  const text = await until('the link', () => /\/setup\?token=(\w+)/.exec(house.child.out()));
  const token = house.keep(text[1]);
  const op = new Person(house);
  assert.equal((await op.get('/api/auth/options')).json.setup_needed, true);
  wrong(await op.post('/api/auth/setup', { token: 'x'.repeat(43), email: op.email, password: op.password }), 404, 'not_found');
  wrong(await op.post('/api/auth/setup', { token, email: ann.email, password: op.password }), 409, 'conflict');
  const r = await op.post('/api/auth/setup', { token, email: op.email, password: op.password, name: 'Op' });
  assert.equal(r.status, 200, r.text);
  assert.ok((await op.me()).user.is_operator);
  assert.equal((await op.get('/api/auth/options')).json.setup_needed, false);
  wrong(await op.del('/api/me', { password: op.password, confirm: op.email }), 409, 'conflict'); // the last one
  const again = new Person(house);
  wrong(await again.post('/api/auth/setup', { token, email: again.email, password: again.password }), 404, 'not_found');
  const log = await op.get('/api/admin/audit?action=house');
  assert.equal(log.json.data[0].action, 'house.set_up');
  wrong(await ann.get('/api/admin/audit'), 404, 'not_found');
});

test('an operator made on the command line signs in with the password given there', async () => {
  const op = new Person(house);
  const weak = await house.cli(['admin', 'user', 'create', '--email', op.email, '--operator', '--password-stdin'], { input: 'password\n' });
  assert.equal(weak.code, 2);
  assert.match(weak.stderr, /first that are tried/);
  const made = await house.ok(['admin', 'user', 'create', '--email', op.email, '--operator', '--password-stdin', '--json'], { input: `${op.password}\n` });
  house.keep(JSON.parse(made.stdout).api_key);
  assert.equal((await op.login()).status, 200);
  assert.ok((await op.me()).user.is_operator);
  const other = new Person(house);
  house.keep((await house.json('admin', 'user', 'create', '--email', other.email)).api_key);
  wrong(await other.login(), 401, 'invalid_credentials'); // none yet: by mail
  await other.post('/api/auth/forgot', { email: other.email });
  const { token } = await other.mail('/reset');
  assert.equal((await other.post('/api/auth/reset', { token, password: other.password })).status, 204);
  assert.equal((await other.login()).status, 200);
});

test('sign-up by invitation, and closed', async () => {
  for (const mode of ['invitation', 'closed']) {
    const h = await House.start({ mail: true, config: [...QUICK, '[signup]', `mode = ${mode}`] });
    try {
      const token = h.keep(/\/setup\?token=(\w+)/.exec(h.child.out())[1]);
      const op = new Person(h), guest = new Person(h), other = new Person(h);
      await op.post('/api/auth/setup', { token, email: op.email, password: op.password });
      await op.me();
      wrong(await other.post('/api/auth/signup', { email: other.email, password: other.password }), 403, 'forbidden');
      await op.post(`/api/teams/${op.team}/invitations`, { email: guest.email, role: 'developer' });
      const invitation = (await guest.mail('/invitation')).token;
      wrong(await other.post('/api/auth/signup', { email: other.email, password: other.password, invitation }), 403, 'forbidden');
      if (mode === 'closed') wrong(await guest.post('/api/auth/signup', { email: guest.email, password: guest.password, invitation }), 403, 'forbidden');
      else await guest.signUp({ invitation });
    } finally {
      await h.stop();
    }
  }
});

test('a suspended customer is told so, and nobody else', async () => {
  const p = await new Person(house).signUp();
  await house.ok(['admin', 'user', 'suspend', '--user', p.email]);
  wrong(await p.get('/api/me'), 403, 'forbidden');
  wrong(await p.other().login(), 403, 'forbidden');
  wrong(await p.other().login({ password: 'wrong password' }), 401, 'invalid_credentials');
  await house.ok(['admin', 'user', 'suspend', '--user', p.email, '--lift']);
  assert.equal((await p.get('/api/me')).status, 200);
});
