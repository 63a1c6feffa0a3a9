// Who has more credit may call more often; and the operator hears when the house's own limit is reached.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { House, until } from './lib/house.mjs';

let house;
before(async () => {
  house = await House.start({
    limited: true,
    config: ['[limits]', 'user_rpm = 60', 'user_burst = 3', 'tier_balance = 10', 'tier_rpm = 600', 'tier_burst = 20', 'global_rpm = 6000', 'global_burst = 100'],
  });
});
after(() => house?.stop());
const call = (key) => house.fetch('/v1/chat/completions', { key, body: { model: 'sandbox/echo', messages: [{ role: 'user', content: 'x' }] } });

test('the tier follows the balance', async () => {
  const u = await house.json('admin', 'user', 'create', '--email', 'tier@example.com', '--credit', '9.99');
  const key = house.keep(u.api_key);
  const limit = async () => Number((await call(key)).headers.get('x-ratelimit-limit-requests'));
  assert.equal(await limit(), 3);
  await house.json('admin', 'credit', 'add', '--user', 'tier@example.com', '--amount', '5', '--reason', 'x');
  assert.equal(await limit(), 20);
  const many = await Promise.all(Array.from({ length: 10 }, () => call(key)));
  assert.ok(many.every((r) => r.status === 200));
});

test('the global limit: refused with words, and one alert', async () => {
  await house.json('admin', 'limits', 'set', '--global', '--rpm', '1', '--burst', '1');
  const all = await Promise.all(Array.from({ length: 5 }, () => call()));
  const refused = all.filter((r) => r.status === 429);
  assert.ok(refused.length >= 4);
  assert.match((await refused[0].json()).error.message, /requests per minute per global/);
  const alerts = () => house.child.log.split('\n').filter((l) => l.includes('"global_limit"'));
  await until('the alert', () => alerts().length > 0);
  assert.equal(alerts().length, 1);
});
