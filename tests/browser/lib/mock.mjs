// The control API's documented shapes without a house behind them: for looking at the pages in states
// that take a house days to be in. The journeys never use it.
import { createServer } from 'node:http';
import { readFileSync, existsSync } from 'node:fs';
import { extname, join } from 'node:path';

const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' };
const DAY = 86_400_000;
const ulid = (n) => `01K9Z${String(n).padStart(21, '0')}`;
const ago = (ms) => new Date(Date.now() - ms).toISOString();
const list = (data) => ({ data, has_more: false, next_cursor: null });
let seed = 7;
const random = () => ((seed = (seed * 1103515245 + 12345) % 2147483648), seed / 2147483648);
const usd = (n) => (n < 0 ? '-' : '') + Math.abs(n).toFixed(8).replace(/0+$/, '').replace(/\.$/, '');

const models = [
  ['anthropic/claude-sonnet-4.5', 'Claude Sonnet 4.5', 200000, '0.0000036', '0.000018', true], ['openai/gpt-5-mini', 'GPT-5 mini', 400000, '0.0000003', '0.0000024', true],
  ['openai/gpt-4o-mini', 'GPT-4o mini', 128000, '0.00000018', '0.00000072', false], ['google/gemini-2.5-flash', 'Gemini 2.5 Flash', 1048576, '0.00000036', '0.000003', true],
  ['meta-llama/llama-3.3-70b-instruct', 'Llama 3.3 70B Instruct', 131072, '0.000000156', '0.000000468', false], ['mistralai/mistral-small-3.2', 'Mistral Small 3.2', 128000, '0.00000012', '0.00000036', false],
  ['deepseek/deepseek-chat-v3.1', 'DeepSeek V3.1', 163840, '0.00000024', '0.00000096', false], ['qwen/qwen3-235b-a22b', 'Qwen3 235B A22B', 131072, '0.00000018', '0.0000006', false],
  ['sandbox/echo', 'Echo', 32768, '0', '0', false],
].map(([id, name, context_length, prompt, completion, recommended]) => ({ id, name, owned_by: id.split('/')[0], context_length, max_output: 8192, recommended, pricing: { prompt, completion, ...(recommended && { cache_read: prompt.replace(/\d$/, '1') }), request: '0' } }));

const users = [['ada@example.com', 'Ada Lovelace', 'owner'], ['grace@example.com', 'Grace Hopper', 'admin'], ['alan@example.com', 'Alan Turing', 'developer'], ['edsger@example.com', '', 'viewer']]
  .map(([email, name, role], i) => ({ id: `usr_${ulid(i)}`, email, name, role }));
const team = { id: `team_${ulid(1)}`, name: 'Analytical Engines', role: 'owner', personal: false };
const person = ({ id, email, name }) => ({ id, email, name });
const noLimits = { rpm: null, burst: null, per_hour: null, per_day: null, tpm: null, concurrency: null, max_tokens: null };
const keys = [
  ['Production', 'inference', 'active', null, { limit: '250', spent: '182.44120917' }, 0], ['CI', 'inference usage', 'active', ago(-20 * DAY), { limit: '5', spent: '4.91' }, 1],
  ['Laptop', 'inference usage keys', 'active', null, null, 0], ['Notebook experiments', 'inference', 'active', ago(-3 * DAY), { limit: '20', spent: '3.0214' }, 2], ['Old server', 'inference', 'revoked', null, null, 0],
].map(([name, scope, status, expires_at, cap, by], i) => ({
  id: `key_${ulid(i)}`, name, key_display: `tg_7Hq…${'k2Xp9wQzR4Lm'.slice(i, i + 4)}`, scope, models: i === 1 ? ['openai/*'] : i === 3 ? ['anthropic/*', 'google/*'] : [], ips: i === 0 ? ['203.0.113.0/24'] : [],
  created_at: ago((40 - i * 7) * DAY), created_by: person(users[by]), expires_at, last_used_at: i === 4 ? null : ago([40_000, 3 * 3600_000, 2 * DAY, 6 * DAY][i]), status, cap, limits: i === 1 ? { ...noLimits, rpm: 20 } : noLimits,
}));

const weights = [5, 3, 1.2, 2, 0.8, 0.5, 0.3, 0.2, 0.05];
function series(start, end, bucket, group) {
  const step = bucket === 'hour' ? 3_600_000 : DAY;
  const groups = group === 'key' ? keys.slice(0, 4).map((k) => ({ id: k.id, name: k.name })) : group === 'member' ? users.slice(0, 3).map((u) => ({ id: u.id, name: u.name || u.email })) : group === 'model' ? models.map((m) => ({ id: m.id, name: m.id })) : [{ id: 'all', name: 'all' }];
  seed = 7;
  const points = [];
  for (let t = Math.floor(start / step) * step; t < end; t += step) {
    const weekend = [0, 6].includes(new Date(t).getUTCDay()) ? 0.35 : 1;
    groups.forEach((g, i) => {
      const requests = Math.round(weights[i] * weekend * (0.6 + random() * 0.8) * (bucket === 'hour' ? 4 : 60));
      if (requests > 0) points.push({ at: new Date(t).toISOString(), group: g.id, cost: usd(requests * weights[i] * 0.0011 * (0.8 + random() * 0.4)), requests, failed: random() > 0.9 ? 1 : 0, input_tokens: requests * 820, output_tokens: requests * 240 });
    });
  }
  return { bucket, start: new Date(start).toISOString(), end: new Date(end).toISOString(), groups, points };
}
const calls = Array.from({ length: 40 }, (_, i) => {
  const m = models[[0, 1, 0, 3, 2, 4, 1, 0][i % 8]], failed = i % 13 === 5;
  return { request_id: `req_${ulid(i)}`, at: ago(i * i * 61_000 + 20_000), model: m.id, key: { id: keys[i % 4].id, name: keys[i % 4].name }, member: { id: users[i % 3].id, email: users[i % 3].email }, input_tokens: 312 + i * 97, output_tokens: failed ? 0 : 84 + i * 31,
    cost: failed ? '0' : usd((312 + i * 97) * Number(m.pricing.prompt) + (84 + i * 31) * Number(m.pricing.completion)), status: failed ? 'failed' : 'completed', http_status: failed ? 502 : 200, stream: i % 2 === 0, duration_ms: 420 + i * 211, unresolved: i === 9 };
});
const lots = [['promotional', '50', '12.4', 'Thanks for the bug report', ago(-60 * DAY)], ['purchased', '250', '250', '', null], ['intro', '10', '0', 'Welcome', null]].map(([kind, amount, remaining, reason, expires_at], i) => ({ id: `lot_${ulid(i)}`, kind, amount, remaining, priority: i, granted_at: ago((i + 1) * 12 * DAY), expires_at, source: 'operator', reason }));
const transactions = [['usage', '-4.91230412', 'Usage of 214 calls'], ['usage', '-11.2004', 'Usage of 402 calls'], ['credit', '50', 'Promotional credit'], ['usage', '-8.00120031', 'Usage of 388 calls'], ['refund', '0.42', 'A call that was charged twice upstream'], ['credit', '250', 'Credit purchased'], ['expiry', '-1.25', 'Promotional credit expired'], ['credit', '10', 'Welcome credit']].map(([kind, amount, description], i) => ({ id: `txn_${ulid(i)}`, at: ago(i * 1.7 * DAY), kind, amount, description, request_id: null }));
const audit = [['key.create', 'key_', { name: 'CI' }], ['member.cap', 'usr_', { cap: [null, '20'] }], ['invitation.create', 'inv_', { email: 'edsger@example.com', role: 'viewer' }], ['key.revoke', 'key_', {}], ['team.rename', 'team_', { name: ['Engines', 'Analytical Engines'] }], ['session.login', 'ses_', {}]].map(([action, p, change], i) => ({ id: `aud_${ulid(i)}`, at: ago(i * 5 * 3600_000), actor: { id: users[i % 2].id, email: users[i % 2].email }, address: '203.0.113.7', action, object: p + ulid(i), change }));
const customers = [...users, ...['barbara@example.org', 'ken@example.net', 'dennis@example.net', 'margaret@example.org', 'katherine@example.org'].map((email, i) => ({ id: `usr_${ulid(20 + i)}`, email, name: email.split('@')[0] }))].map((u, i) => ({ user: { ...person(u), created_at: ago((i + 1) * 3 * DAY), suspended: i === 6 }, team: i < 4 ? team : { id: `team_${ulid(i)}`, name: `${u.name}'s team` }, balance: usd([262.4, 41.2, 0.37, 10, 5.5, 118.04, 0, 7.25, 10][i]), spent_30d: usd([341.5, 12.004, 9.63, 0, 4.5, 81.96, 2.1, 0.0412, 0][i]), requests_30d: [8123, 401, 380, 0, 120, 3001, 88, 12, 0][i], last_call_at: i % 4 === 3 ? null : ago(i * 3600_000) }));
const providers = [['openrouter', 'openrouter', 'https://openrouter.ai/api/v1', 2, { ok: true, calls: 18204, failed: 31, p50_ms: 812 }], ['backup', 'openai', 'https://llm.internal:8443/v1', 1, { ok: false, calls: 412, failed: 97, p50_ms: 2204 }], ['lab', 'openai', 'http://10.0.4.2:8000/v1', 1, null]].map(([name, kind, base_url, n, health]) => ({ name, kind, base_url, keys: n, health }));
const margins = models.slice(0, 8).map((m, i) => ({ id: m.id, name: m.id, requests: [9201, 6120, 1400, 3902, 800, 455, 201, 90][i], charge: usd([341.2, 88.01, 12.2, 61.4, 4.1, 2.2, 0.9, 0.31][i]), cost: usd([284.3, 73.3, 10.16, 51.2, 3.4, 1.83, 1.02, 0.26][i]), margin: usd([56.9, 14.71, 2.04, 10.2, 0.7, 0.37, -0.12, 0.05][i]), margin_percent: ['16.7', '16.7', '16.7', '16.6', '17.1', '16.8', '-13.3', '16.1'][i] }));
const jobs = [['mail.send', 'done', 1, null, null], ['upstream_key.rotate', 'retrying', 3, 'The provider answered 503: no capacity.', 'mint'], ['lots.expire', 'sleeping', 1, null, 'wait'], ['mail.send', 'needs_attention', 5, 'The mail server refuses the sender: 550 5.7.1', 'deliver'], ['prices.sync', 'running', 1, null, 'fetch']].map(([kind, state, attempt, error, step], i) => ({ id: `job_${ulid(i)}`, kind, state, attempt, attempts_max: 5, wake_at: state === 'retrying' || state === 'sleeping' ? ago(-300_000) : null, created_at: ago(i * 1800_000 + 60_000), error, step }));
const endpoints = [['https://hooks.example.com/tollgate', 'Books and alerts', ['*'], 'enabled', '', null], ['https://ops.example.org/in/credit', '', ['balance.low', 'usage.threshold'], 'enabled', '', ago(5 * 3600_000)], ['https://old.example.net/hook', 'Before the move', ['key.created'], 'disabled', 'gone', null]].map(([url, description, events, status, disabled_reason, failing_since], i) => ({ id: `whk_${ulid(i)}`, url, description, events, status, disabled_reason, created_at: ago((30 - i) * DAY), updated_at: ago(DAY), failing_since, old_secret_until: i === 0 ? ago(-9 * 3600_000) : null }));
const deliveries = [['balance.low', 'pending', 3, 503], ['payment.succeeded', 'delivered', 1, 204], ['key.created', 'failed', 10, null], ['webhook.test', 'delivered', 1, 200], ['key.revoked', 'delivered', 2, 200]].map(([type, status, attempts, response_status], i) => ({ id: `dlv_${ulid(i)}`, message_id: `msg_${ulid(i)}`, type, status, attempts, response_status, created_at: ago(i * 7 * 3600_000 + 60_000), next_attempt_at: status === 'pending' ? ago(-1700_000) : null, ended_at: status === 'pending' ? null : ago(i * 7 * 3600_000), replay: i === 4 }));
const delivery = { ...deliveries[0], body: { type: 'balance.low', timestamp: ago(60_000), sequence: 41, data: { balance: '4.98', available: '4.91', threshold: '5', currency: 'USD', top_up_url: 'https://api.example.com/billing' } }, tries: [[null, 10_000, 'No connection within 10 seconds.', ''], [503, 212, '', '<h1>Service Unavailable</h1>'], [503, 198, '', '<h1>Service Unavailable</h1>']].map(([status, duration_ms, error, response], i) => ({ at: ago((3 - i) * 400_000), status, duration_ms, error, response })) };
const codes = [['Launch day', 'LAUN…', '5', 412, 1000, 'active', null], ['Conference in Oslo', '7KXQ…', '25', 1, 1, 'used_up', 90], ['Spring', 'SPRI…', '2.5', 88, 500, 'expired', 30], ['For a leaked list', 'H2MN…', '10', 3, 100, 'ended', null]].map(([name, hint, amount, uses, uses_max, status, credit_days], i) => ({ id: `code_${ulid(i)}`, name, hint, amount, uses, uses_max, per_user: 1, expires_at: i === 2 ? ago(4 * DAY) : i === 0 ? ago(-20 * DAY) : null, credit_days, status, created_at: ago((i + 1) * 6 * DAY) }));
const payments = [['topup', 'pending', '50', '0', '0', '', true], ['topup', 'pending', '25', '0', '0', '', false], ['topup', 'completed', '250', '0', '0', '', false], ['auto_topup', 'failed', '25', '0', '0', 'The card was declined.', false], ['topup', 'disputed', '100', '0', '0', '', false], ['topup', 'refunded', '10', '10', '0', '', false], ['topup', 'expired', '5', '0', '0', '', false]].map(([kind, status, amount, refunded, owed, failure, awaiting], i) => ({ id: `pay_${ulid(i)}`, kind, status, awaiting, amount, currency: 'usd', refunded, owed, failure, created_at: ago(i * 4 * DAY + 300_000), completed_at: ['completed', 'disputed', 'refunded'].includes(status) ? ago(i * 4 * DAY) : null, expires_at: null, checkout_url: status === 'pending' && !awaiting ? 'https://checkout.example/cs_1' : null, user: { id: users[i % 2].id, email: users[i % 2].email }, team, payment_intent: `pi_3S${i}kLm2eZvKYlo2C0x9Rt`, session_id: `cs_test_a1B2c3D4e5F6g7H8i9J0${i}`, disputes: i === 4 ? 1 : 0 }));
payments.forEach((p, i) => Object.assign(p, { paid: p.amount, description: '', frozen: i === 4 ? '62.41203839' : '0', receipt_id: p.completed_at ? `inv_${ulid(i)}` : null, credit_note_ids: i === 5 ? [`inv_${ulid(20)}`] : [] }));
const invoices = [['statement', null], ['receipt', 2], ['credit_note', 5], ['receipt', 4], ['receipt', 5]].map(([kind, of], i) => ({ id: `inv_${ulid(i)}`, number: kind === 'credit_note' ? 'TG-CN-2026-000017' : `TG-2026-00${1042 - i * 7}`, kind, payment_id: of === null ? null : payments[of].id, period: kind === 'statement' ? { start: '2026-10-01T00:00:00.000Z', end: '2026-11-01T00:00:00.000Z' } : null, issued_at: ago((i + 2) * 4 * DAY), total: of === null ? '87.61' : (kind === 'credit_note' ? '-' : '') + payments[of].amount, tax: '0', currency: 'usd' }));
const plans = [['Basic', 'To try things out', '5', '6', 'none', null, { rpm: 600, burst: 100 }, 0, '0', 212], ['Pro', 'For a small team', '20', '25', 'capped', '50', { rpm: 3000, burst: 500 }, 14, '2', 1204], ['Scale', 'For a product', '200', '270', 'all', null, { rpm: 20000, burst: 2000 }, 0, '0', 31], ['Early birds', '', '10', '15', 'all', null, null, 0, '0', 4]]
  .map(([name, description, price, monthly_credit, roll_over, roll_over_max, limits, trial_days, trial_credit, subscribers], i) => ({ id: `plan_${ulid(i)}`, name, description, price, currency: 'usd', interval: 'month', monthly_credit, roll_over, roll_over_max, limits: limits && { ...noLimits, ...limits }, trial_days, trial_credit, active: i < 3, ready: i !== 2, version: 1 + (i === 1), subscribers, created_at: ago(60 * DAY), updated_at: ago(i * DAY) }));
const offered = plans.slice(0, 3).map(({ active, ready, version, subscribers, ...p }) => p);
// of: 'active', 'trialing', 'past_due', 'ending', 'next', 'pending'
function subscription(of, i = 0) {
  const p = offered[[1, 0, 1, 2, 1][i % 5]];
  return { id: `subs_${ulid(i)}`, status: of === 'ending' || of === 'next' ? 'active' : of, access: of !== 'pending' && of !== 'canceled', plan: p, next_plan: of === 'next' ? offered[0] : null, period: of === 'pending' ? null : { start: ago(19 * DAY), end: ago(-11 * DAY) },
    trial_end: of === 'trialing' ? ago(-11 * DAY) : null, cancel_at_period_end: of === 'ending', ended_at: of === 'canceled' ? ago(3 * DAY) : null, grace_until: of === 'past_due' ? ago(-2 * DAY) : null, credit: of === 'pending' ? { included: '0', left: '0' } : of === 'trialing' ? { included: '2', left: '1.12049' } : { included: '25', left: '9.40371182' },
    failure: of === 'past_due' ? 'card_declined' : '', pay_url: of === 'past_due' ? 'https://invoice.example/in_1' : null, checkout_url: of === 'pending' ? 'https://checkout.example/cs_2' : null, created_at: ago((i + 2) * 20 * DAY), updated_at: ago(DAY), user: { id: customers[i].user.id, email: customers[i].user.email }, team: customers[i].team, stripe_id: of === 'pending' ? '' : `sub_1S${i}kLm2eZvKYlo2C` };
}
const subscriptions = ['active', 'trialing', 'past_due', 'ending', 'canceled'].map((of, i) => subscription(of, i));
const events = [['charge.dispute.created', 'done', 1, ''], ['checkout.session.completed', 'done', 3, ''], ['payment_intent.succeeded', 'ignored', 1, 'The checkout says it.'], ['charge.refunded', 'refused', 2, 'The amount is not the one of the order.'], ['charge.refunded', 'stored', 1, '']].map(([type, state, n, note], i) => ({ id: `evt_1S${i}kLm2eZvKYlo2C`, type, created_at: ago(i * 9 * 3600_000 + 3000), received_at: ago(i * 9 * 3600_000), deliveries: n, state, note }));
const reports = [[0, 214, 2, []], [1, 209, 0, [['amount', 'pi_3S4kLm2eZvKYlo2C0x9Rt', '100', '90'], ['missing_here', 're_3S9kLm2eZvKYlo2C', '', '10']]], [2, 198, 0, []]].map(([i, checked, mended, found]) => ({ id: `rec_${ulid(i)}`, at: ago(i * 3600_000 + 60_000), from: ago(i * 3600_000 + 3 * DAY), checked, mended, mismatches: found.length, findings: found.map(([kind, object, ours, theirs]) => ({ kind, object, ours, theirs })) }));
const qr = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 29 29" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h29v29H0z"/><path stroke="#000" d="${Array.from({ length: 29 * 29 }, (_, i) => (((i * 7919) >> 3) ^ (i % 29)) % 3 === 0 ? `M${i % 29} ${Math.floor(i / 29) + 0.5}h1` : '').join('')}"/></svg>`;

export const fixture = { endpoints, payments, subscriptions, team, users, keys, customers, jobs, code: 'BCDF-GHJK' };

// state: { in: bool, fresh: bool (nothing has happened yet), balance }
function answer(method, path, q, body, state) {
  const me = () => ({ user: { ...person(users[0]), company: 'Engines Ltd', email_verified: true, is_operator: true, totp_enabled: !!state.totp, has_password: true, created_at: ago(90 * DAY) }, team, teams: [team, { id: `team_${ulid(2)}`, name: 'Ada', role: 'owner', personal: true }], csrf_token: 'x', permissions: ['keys.read', 'keys.write', 'keys.all', 'billing.write', 'billing.checkout', 'webhooks.read', 'webhooks.write', 'playground', 'audit.read', 'members.write', 'team.write', 'team.own'] });
  const r = `${method} ${path}`;
  if (r === 'GET /api/auth/options') return { brand: { name: 'Tollgate', color: '#2f5bea', logo_url: null }, signup: 'open', password: true, providers: [{ id: 'github', name: 'GitHub' }, { id: 'google', name: 'Google' }], setup_needed: !!state.setup, currency: 'USD', intro_credit: '10', public_url: 'https://api.example.com' };
  if (r === 'GET /api/plans') return list(state.plans === false ? [] : offered);
  if (r === 'GET /v1/models') return { object: 'list', data: models };
  if (r === 'POST /api/auth/signup') return [202, { status: 'check_mail' }];
  if (r === 'POST /api/auth/login') return state.askTotp && !body.code ? [401, { error: { code: 'totp_required', message: 'A code is needed.' } }] : [401, { error: { code: 'invalid_credentials', message: 'Wrong.' } }];
  if (path.startsWith('/api/auth/device/')) return { user_code: fixture.code, name: 'tollgate on ada-laptop', address: '203.0.113.7', created_at: ago(20_000), expires_at: ago(-580_000), status: 'pending' };
  if (/^GET \/api\/invitations\//.test(r)) return { team: { name: team.name }, email: 'edsger@example.com', role: 'developer', invited_by: person(users[1]), status: 'pending' };
  if (!state.in) return [401, { error: { code: 'missing_credentials', message: 'Sign in.' } }];
  if (method !== 'GET') {
    if (path === '/api/auth/totp/start') return { secret: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP', otpauth_uri: 'otpauth://totp/x', qr_svg: qr };
    if (path === '/api/auth/totp/confirm') return { recovery_codes: Array.from({ length: 10 }, (_, i) => `k${i}x7p-9wqz${i}`) };
    if (path === '/api/billing/subscription/preview') return body.plan === offered[0].id ? { when: 'period_end', at: ago(-11 * DAY), amount_due: '0', currency: 'usd', credit_now: '0', plan: offered[0] } : { when: 'now', at: ago(0), amount_due: '66', currency: 'usd', credit_now: '89.83', plan: offered[2] };
    if (path === '/api/billing/subscription/change') return [402, { error: { code: 'payment_failed', message: 'The card was declined.' } }];
    if (path === '/api/playground') return { api_key: 'tg_playground', expires_at: ago(-3600_000) };
    if (path === '/api/webhooks') return [201, { ...endpoints[0], url: body.url, secret: 'whsec_Xq2vT7m0Yc1hN5bR8sKdW4zLpE6uJ3gAoF9iCtQyMn0=' }];
    if (path === '/api/admin/codes') return [201, { data: Array.from({ length: body.count ?? 1 }, (_, i) => ({ ...codes[0], code: `7KXQ-M2WD-HT9${'ABCDEFGHJK'[i % 10]}-VPN4` })) }];
    if (path === '/api/keys') return [201, { ...keys[2], name: body.name, api_key: 'tg_7HqT2mXkP9vLwR4zNcB8sYdF1gJ6aEoU3iQ5xW0t' }];
    if (path.endsWith('/dry-run')) return { calls: 4212, charged: '118.2', would_charge: '123.125', by_model: margins.slice(0, 4).map((m) => ({ model: m.id, calls: m.requests, charged: m.charge, would_charge: usd(Number(m.charge) * 1.04) })) };
    return [204];
  }
  const none = (rows) => list(state.fresh ? [] : rows);
  const one = {
    '/api/me': me, '/api/models': () => list(models.filter((m) => m.id.includes(q.get('q') ?? ''))), '/api/keys': () => none(keys.filter((k) => !q.get('status') || k.status === q.get('status'))),
    '/api/billing/balance': () => ({ balance: state.balance ?? '262.40', available: state.balance ?? '262.3962841', held: state.balance ? '0' : '0.0037159', currency: 'USD', state: state.state ?? 'good' }),
    '/api/billing/lots': () => none(lots), '/api/billing/transactions': () => none(transactions.filter((t) => !q.get('kind') || t.kind === q.get('kind'))),
    '/api/billing/alerts': () => ({ balance_low: ['5', '1'], usage: [] }), '/api/webhooks': () => none(endpoints),
    '/api/billing/options': () => ({ enabled: true, currency: 'usd', packs: ['5', '10', '25', '50', '100'], amount_min: '5', amount_max: '2000', livemode: false }), '/api/billing/payments': () => none(payments), '/api/billing/auto-topup': () => ({ enabled: !state.fresh && !state.state, status: state.fresh ? 'off' : state.state ? 'suspended' : 'on', reason: state.state ? 'card_declined' : '', threshold: '5', amount: '25', monthly_cap: '100', spent_this_month: state.fresh ? '0' : '50', in_flight: false }), '/api/billing/invoices': () => none(invoices.filter((i) => !q.get('kind') || i.kind === q.get('kind'))),
    '/api/billing/subscription': () => ({ subscription: state.fresh || state.state ? null : subscription(state.plan ?? 'active'), trial: !!state.fresh }), '/api/admin/plans': () => none(plans), '/api/admin/subscriptions': () => none(subscriptions.filter((x) => !q.get('q') || x.team.id === q.get('q'))),
    '/api/billing/details': () => ({ name: 'Analytical Engines Ltd', address: '12 St James\'s Square\nLondon SW1Y 4LB\nUnited Kingdom', tax_id: 'GB123456789', email: 'books@example.com' }),
    '/api/admin/payments': () => none(payments.map((p) => ({ ...p, disputes: p.status === 'disputed' ? 2 : 0 }))), '/api/admin/stripe-events': () => none(events), '/api/admin/reconciliation': () => ({ enabled: true, reports: state.fresh ? [] : reports }),
    '/api/admin/codes': () => none(codes.filter((c) => c.name.includes(q.get('q') ?? ''))),
    '/api/usage/current': () => (state.fresh ? { period: { start: ago(DAY), end: ago(0) }, cost: '0', requests: 0, failed: 0, input_tokens: 0, output_tokens: 0, today: { cost: '0', requests: 0, failed: 0, input_tokens: 0, output_tokens: 0 } } : { period: { start: ago(19 * DAY), end: ago(0) }, cost: '87.61038201', requests: 12803, failed: 21, input_tokens: 10420311, output_tokens: 3120044, today: { cost: '4.9123', requests: 611, failed: 2, input_tokens: 481203, output_tokens: 151022 } }),
    '/api/usage/series': () => { const s = series(Date.parse(q.get('start')), Date.now(), q.get('bucket') ?? 'day', q.get('group')); return state.fresh ? { ...s, groups: [], points: [] } : s; },
    '/api/usage/history': () => ({ ...none(calls.slice(0, Number(q.get('limit') ?? 20))), has_more: !state.fresh && !q.get('cursor') && Number(q.get('limit')) > 20, next_cursor: 'x' }),
    [`/api/teams/${team.id}/members`]: () => list(users.map((u, i) => ({ user: person(u), role: u.role, joined_at: ago((60 - i * 9) * DAY), cap: i === 2 ? { limit: '25', spent: '23.9' } : i === 3 ? { limit: '5', spent: '0' } : null }))),
    [`/api/teams/${team.id}/invitations`]: () => none([{ id: `inv_${ulid(1)}`, email: 'donald@example.com', role: 'developer', invited_by: person(users[0]), created_at: ago(DAY), expires_at: ago(-6 * DAY), status: 'pending' }]),
    '/api/audit': () => none(audit), '/api/admin/audit': () => none(audit),
    '/api/auth/identities': () => none([{ id: `idn_${ulid(1)}`, provider: 'github', name: 'GitHub', issuer: 'https://github.com', email: users[0].email, linked_at: ago(40 * DAY), removable: true }]),
    '/api/auth/sessions': () => list([['Mozilla/5.0 (Macintosh; Intel Mac OS X 14_0) Chrome/140.0', '203.0.113.7', true], ['Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) Safari/604.1', '198.51.100.24', false], ['tollgate/0.1.0 Linux', '192.0.2.9', false]].map(([user_agent, address, current], i) => ({ id: `ses_${ulid(i)}`, created_at: ago((i + 1) * 4 * DAY), last_seen_at: ago(i * 7 * 3600_000), expires_at: ago(-20 * DAY), address, user_agent, current }))),
    '/api/admin/customers': () => none(customers.filter((c) => c.user.email.includes(q.get('q') ?? ''))), '/api/admin/providers': () => none(providers),
    '/api/admin/routes': () => none([['anthropic/*', 'openrouter', null, 10, 1], ['gpt-mini', 'openrouter', 'openai/gpt-5-mini', 5, 1], ['*', 'openrouter', null, 0, 3], ['*', 'backup', null, -1, 1]].map(([model, provider, upstream_model, priority, weight], i) => ({ id: `rt_${ulid(i)}`, model, provider, upstream_model, priority, weight }))),
    '/api/admin/prices': () => none(models.map((m, i) => ({ model: m.id, input: m.pricing.prompt, output: m.pricing.completion, cache_read: m.pricing.cache_read ?? null, cache_write: null, request: null, version: i }))),
    '/api/admin/pricing-rules': () => none([['*', '20', null, 0], ['anthropic/*', '12.5', '0.0001', 10], ['sandbox/*', '0', null, 20]].map(([model, markup, min_cost, priority], i) => ({ id: `rule_${ulid(i)}`, model, markup_percent: markup, min_cost: min_cost ?? '0', priority }))),
    '/api/admin/margin': () => ({ data: state.fresh ? [] : q.get('group') === 'customer' ? customers.slice(0, 6).map((c, i) => ({ ...margins[i], id: c.user.id, name: c.user.email })) : margins, total: { id: 'all', name: 'all', requests: 22169, charge: '510.32', cost: '425.47', margin: '84.85', margin_percent: '16.6' } }),
    '/api/admin/upstream-keys': () => none(customers.slice(0, 5).map((c, i) => ({ user: c.user, exists: i !== 3, rotated_at: i === 1 ? ago(9 * DAY) : null, limit: c.balance, limit_remaining: usd(Number(c.balance) * 0.8), usage_monthly: c.spent_30d, byok_usage_monthly: '0', checked_at: ago(400_000) }))),
    '/api/admin/jobs': () => none(jobs.filter((j) => !q.get('state') || j.state === q.get('state'))),
    '/api/admin/settings': () => ({ signup: 'open', intro_credit: '10', public_url: 'https://api.example.com', brand: { name: 'Tollgate', color: '#2f5bea', logo_url: '' }, limits: { ...noLimits, rpm: 10000, burst: 1000 }, smtp: { configured: true }, read_only: ['signup', 'intro_credit', 'public_url', 'brand', 'smtp'] }),
    '/api/admin/health': () => ({ version: '0.1.0 (3f2a91c)', uptime_s: 1_234_567, store: { engine: 'sqlite', full: false, wal_bytes: 4_120_000, queue: 0 }, commits: { count: 812_441, records: 4_120_887, p50_us: 380, p99_us: 2100 }, open_calls: 12, unresolved: state.fresh ? 0 : 2, alerts: state.fresh ? [] : [{ code: 'unresolved', message: 'There are calls whose outcome nobody saw: tollgate ledger unresolved lists them.' }] }),
  }[path];
  if (one) return one();
  const customer = customers.find((c) => path === `/api/admin/customers/${c.user.id}`);
  if (customer) return { ...customer, keys, lots, limits: { ...noLimits, rpm: 120, tpm: 200000 }, members: [{ user: person(users[0]), role: 'owner', joined_at: ago(DAY), cap: null }], upstream_key: { exists: true, rotated_at: null, limit: '262.4', limit_remaining: '210', usage_monthly: '52.4', byok_usage_monthly: '0', checked_at: ago(1000) } };
  const paid = path.startsWith('/api/billing/payments/') && (path.endsWith('cs_wait') ? payments[1] : path.endsWith('cs_bank') ? payments[0] : path.endsWith('cs_failed') ? payments[3] : payments.find((p) => path.endsWith(p.id)) ?? payments[2]);
  if (paid) return paid;
  const payment = payments.find((p) => path === `/api/admin/payments/${p.id}`);
  if (payment) return { ...payment, refunds: [{ id: 're_3S4kLm2eZvKYlo2C', amount: '10', failed: false }], disputes: [{ id: 'dp_1S4kLm2eZvKYlo2C', amount: '90', reason: 'product_not_received', opened: true, withdrawn: false, reinstated: false, lost: false, released: false }, { id: 'issfr_1S4kLm2eZvKYlo2C', amount: '100', reason: 'early_fraud_warning', opened: true, withdrawn: false, reinstated: false, lost: false, released: true }], events: events.slice(0, 3) };
  const sub = subscriptions.find((x) => path === `/api/admin/subscriptions/${x.id}`);
  if (sub) return { ...sub, payments: [2, 5].map((i) => ({ ...payments[i], kind: 'subscription', amount: '25', paid: '20', description: 'Pro, 2026-11-01 to 2026-12-01' })) };
  const hook = endpoints.find((w) => path.startsWith(`/api/webhooks/${w.id}`));
  if (hook) return path.endsWith(hook.id) ? hook : path.endsWith('/deliveries') ? none(deliveries.filter((d) => !q.get('status') || d.status === q.get('status'))) : delivery;
  const code = codes.find((c) => path === `/api/admin/codes/${c.id}`);
  if (code) return { ...code, redemptions: customers.slice(0, 4).map((c, i) => ({ user: c.user, team_id: c.team.id, at: ago(i * 9 * 3600_000), amount: code.amount })) };
  const job = jobs.find((j) => path === `/api/admin/jobs/${j.id}`);
  if (job) return { ...job, steps: [{ name: 'read customer', state: 'done', attempt: 1, started_at: ago(90_000), ended_at: ago(89_960), error: null }, { name: 'mint', state: 'failed', attempt: 1, started_at: ago(89_900), ended_at: ago(88_100), error: 'The provider answered 503: no capacity.' }, { name: 'mint', state: 'retrying', attempt: 2, started_at: ago(59_000), ended_at: ago(58_000), error: job.error }, { name: 'end the old key', state: 'scheduled', attempt: 0, started_at: null, ended_at: null, error: null }] };
  return [404, { error: { code: 'not_found', message: 'There is nothing here.' } }];
}

export async function startMock(dist, state = {}) {
  const index = readFileSync(join(dist, 'index.html'), 'utf8').replaceAll('%BRAND%', 'Tollgate').replaceAll('%COLOR%', '#2f5bea');
  const server = createServer((rq, rs) => {
    const url = new URL(rq.url, 'http://x');
    const parts = [];
    rq.on('data', (d) => parts.push(d));
    rq.on('end', () => {
      if (url.pathname === '/v1/chat/completions') {
        const words = 'A toll gate is where you pay for the road before you drive on it, and where somebody counts.'.split(' ');
        const chunk = (o) => `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', ...o })}\n\n`;
        rs.writeHead(200, { 'content-type': 'text/event-stream', 'x-request-id': 'req_1', 'x-tollgate-credits-remaining': '262.39' });
        for (const w of words) rs.write(chunk({ choices: [{ index: 0, delta: { content: `${w} ` } }] }));
        rs.write(chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }));
        rs.end(`${chunk({ choices: [], usage: { prompt_tokens: 17, completion_tokens: 22, total_tokens: 39, cost: 0.0004572 } })}data: [DONE]\n\n`);
        return;
      }
      if (/^\/(api|v1)\//.test(url.pathname)) {
        const got = answer(rq.method, url.pathname, url.searchParams, parts.length ? JSON.parse(Buffer.concat(parts).toString() || '{}') : {}, state);
        const [status, body] = Array.isArray(got) ? got : [200, got];
        rs.writeHead(status, { 'content-type': 'application/json' }).end(body ? JSON.stringify(body) : '');
        return;
      }
      const file = join(dist, url.pathname);
      const there = url.pathname !== '/' && extname(file) && existsSync(file);
      rs.writeHead(200, { 'content-type': there ? types[extname(file)] ?? 'text/plain' : 'text/html' }).end(there ? (url.pathname === '/icon.svg' ? readFileSync(file, 'utf8').replaceAll('%COLOR%', '#2f5bea') : readFileSync(file)) : index);
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { url: `http://127.0.0.1:${server.address().port}`, state, stop: () => { server.closeAllConnections(); server.close(); } };
}
