// What a call has to cost, reckoned a second time, with whole numbers of any size.
import { decimal, nano } from './base.mjs';

const prices = [
  { pattern: 'sandbox/*', input: '0.00000015', output: '0.0000006', cached: '0.000000075' },
  { pattern: 'plain-*', input: '0.0000013', output: '0.0000077', request: '0.00001' },
  { pattern: 'quick-*', input: '0.000000333333', output: '0.000000777777' },
  { pattern: 'text-embedding-*', input: '0.00000002', output: '0' },
];
const rules = [
  { pattern: '*', percent: '20', priority: 0 },
  { pattern: 'plain-*', percent: '12.5', priority: 5, least: '0.00002' },
  { pattern: 'quick-*', percent: '33.3333', priority: 5 },
];

export const tariff = {
  nano,
  prices,
  rules,
  renamed: {
    'plain-echo': 'sandbox/echo',
    'plain-stream': 'sandbox/stream-30-5',
    'plain-delay': 'sandbox/delay-60',
    'plain-cut': 'sandbox/cut-3',
    'plain-long': 'sandbox/stream-150-20',
    'plain-stall': 'sandbox/stall-3',
    'plain-hang': 'sandbox/delay-600000',
  },
  quick: 'sandbox/stream-40-10',
};

const matches = (pattern, model) => {
  const star = pattern.indexOf('*');
  return star < 0 ? pattern === model : model.startsWith(pattern.slice(0, star));
};
const ceil = (a, b) => (a + b - 1n) / b;

function ruleOf(model) {
  return rules.filter((r) => matches(r.pattern, model)).sort((a, b) => b.priority - a.priority)[0];
}

function withRule(model, pico) {
  const rule = ruleOf(model);
  const ppm = 1000000n + decimal(rule.percent, 4);
  // One rounding: pico-dollars to nano-dollars, parts per million, up.
  const charge = ceil(pico * ppm, 1000000000n);
  const least = rule.least ? nano(rule.least) : 0n;
  return charge < least ? least : charge;
}

export const isPriced = (model) => prices.some((p) => matches(p.pattern, model));

// Nano-dollars for so many tokens.
export function chargeOf(model, { input, output, cached = 0n }) {
  const p = prices.find((row) => matches(row.pattern, model));
  const each = (text) => decimal(text ?? '0', 12);
  const read = cached < input ? cached : input;
  if (input === 0n && output === 0n) return 0n; // an explicit zero is zero
  return withRule(model, (input - read) * each(p.input) + read * each(p.cached ?? p.input) +
    output * each(p.output) + each(p.request));
}

// Nano-dollars where only the provider knows the price; what he reports is rounded up to nano first.
export function chargeByCost(model, cost) {
  const reported = nano(cost);
  return reported === 0n ? 0n : withRule(model, reported * 1000n);
}
