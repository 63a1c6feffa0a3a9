// Money on the screen: digits moved, never counted in binary.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../clients/lib/house.mjs';

const { transformSync } = createRequire(join(root, 'web/package.json'))('esbuild');
const source = readFileSync(join(root, 'web/src/lib/money.ts'), 'utf8');
const { code } = transformSync(source, { loader: 'ts', format: 'esm', target: 'es2020' });
const money = await import(`data:text/javascript,${encodeURIComponent(code)}`);

test('every digit is shown, and at least two behind the point', () => {
  for (const [given, shown] of [
    ['0', '$0.00'], ['12.5', '$12.50'], ['0.00012345', '$0.00012345'], ['1234567.891', '$1,234,567.891'], ['-0.01', '−$0.01'], ['9007199254740993.000000001', '$9,007,199,254,740,993.000000001'],
    ['3.6e-06', '$0.0000036'], ['1.5E3', '$1,500.00'], ['0.10', '$0.10'], ['1000', '$1,000.00'], ['-1234.5', '−$1,234.50'],
  ]) assert.equal(money.usd(given), shown);
  assert.equal(money.usdSigned('5'), '+$5.00');
  assert.equal(money.usdSigned('-5'), '−$5.00');
  assert.equal(money.usdSigned('0'), '$0.00');
});

test('cards are in cents, rounded half away from zero; less than a cent stays as it is', () => {
  for (const [given, shown] of [['87.61038201', '$87.61'], ['0.005', '$0.01'], ['0.00432', '$0.00432'], ['-1.005', '−$1.01'], ['999.995', '$1,000.00'], ['12', '$12.00'], ['0', '$0.00'], ['-0.000000001', '−$0.000000001']])
    assert.equal(money.usdRounded(given), shown);
  // What there is to spend is never shown as more than it is.
  for (const [given, shown] of [['9.9998704', '$9.99'], ['10', '$10.00'], ['0.009', '$0.009'], ['-0.011', '−$0.02'], ['0.999999999', '$0.99']])
    assert.equal(money.usdRounded(given, true), shown);
});

test('a million tokens', () => {
  for (const [given, shown] of [['0.00000015', '$0.15'], ['0.000018', '$18.00'], ['0', '$0.00'], ['0.000000156', '$0.156'], ['1.5e-7', '$0.15'], ['2', '$2,000,000.00']]) assert.equal(money.perMillion(given), shown);
});

test('sums and order are exact', () => {
  assert.equal(money.sum(['0.1', '0.2']), '0.3');
  assert.equal(money.sum([]), '0');
  assert.equal(money.sum(['9007199254740993', '-0.000000001']), '9007199254740992.999999999');
  assert.ok(money.compare('0.30', '0.3') === 0 && money.compare('-1', '0.5') < 0 && money.compare('10', '9') > 0);
  assert.equal(money.percentOf('1', '3'), 33.3);
  assert.equal(money.percentOf('5', '4'), 100);
});

test('what somebody types', () => {
  for (const [given, amount] of [['$1,000.50', '1000.50'], [' 5 ', '5'], ['0.123456789', '0.123456789'], ['1e5', null], ['', null], ['five', null], ['1.2.3', null], ['0.1234567891', null]]) assert.equal(money.typedAmount(given), amount);
});
