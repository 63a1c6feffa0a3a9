// What is asked of Stripe, held against its specification.
import assert from 'node:assert/strict';
import { readFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

const spec = process.env.SPECS_DIR && join(process.env.SPECS_DIR, 'stripe/spec3.yaml');
export const noSpec = !(spec && existsSync(spec)) && 'no SPECS_DIR with stripe/spec3.yaml';
// What came after the specification at hand, with the version that we pin: whole calls, and members.
const NEWER = [
  /^POST \/v1\/invoices\/create_preview$/,
  /^POST \/v1\/billing_portal\/configurations: features\[subscription_update\]\[schedule_at_period_end\]/,
];
const isNewer = (what) => NEWER.some((re) => re.test(what));

// asked: {method, path, headers, body}; returns which operations were asked for.
export function heldAgainstSpec(asked) {
  const doc = parse(readFileSync(spec, 'utf8'), { maxAliasCount: -1 });
  const templates = Object.keys(doc.paths).map((t) => [t, new RegExp(`^${t.replace(/\{[^}]+\}/g, '[^/]+')}$`)]);
  const seen = new Set();
  for (const a of asked.filter((x) => !/stripe-node|Stripe\/v1 NodeBindings/.test(x.headers['user-agent'] ?? ''))) {
    assert.match(a.headers['stripe-version'], /^\d{4}-\d\d-\d\d\./);
    if (a.method !== 'GET') assert.ok(a.headers['idempotency-key']?.length <= 255);
    const [path, query] = a.path.split('?');
    if (isNewer(`${a.method} ${path}`)) {
      seen.add(`${a.method} ${path}`);
      continue;
    }
    const t = templates.filter(([, re]) => re.test(path)).map(([name]) => name).sort((x, y) => x.includes('{') - y.includes('{'))[0];
    const op = t && doc.paths[t][a.method.toLowerCase()];
    assert.ok(op, `${a.method} ${path}`);
    seen.add(`${a.method} ${t}`);
    if (a.method === 'GET') {
      const names = op.parameters.map((p) => p.name);
      for (const key of new URLSearchParams(query ?? '').keys()) assert.ok(names.includes(key.split('[')[0]), `${t}: ${key}`);
      continue;
    }
    const schema = op.requestBody.content['application/x-www-form-urlencoded'].schema;
    for (const [key, value] of new URLSearchParams(a.body)) {
      const names = [key.split('[')[0], ...[...key.matchAll(/\[([^\]]*)\]/g)].map((m) => m[1])];
      assert.ok(known(schema, names, value) || isNewer(`${a.method} ${t}: ${key}`), `${a.method} ${t}: ${key}=${value}`);
    }
    const params = new URLSearchParams(a.body);
    for (const r of schema.required ?? []) assert.ok([...params.keys()].some((k) => k.split('[')[0] === r), `${t} wants ${r}`);
  }
  return [...seen];
}

// Is there such a member in the schema, and may it have the value?
function known(schema, names, value) {
  const kinds = schema.anyOf ?? [schema];
  return kinds.some((k) => {
    if (names.length === 0) {
      if (k.enum) return k.enum.includes(value);
      if (k.type === 'integer') return /^-?\d+$/.test(value);
      if (k.type === 'boolean') return ['true', 'false'].includes(value);
      return k.type === 'string' && (k.maxLength === undefined || value.length <= k.maxLength);
    }
    const [first, ...rest] = names;
    if (k.type === 'array' || k.items) return /^\d*$/.test(first) && known(k.items, rest, value);
    if (k.properties?.[first]) return known(k.properties[first], rest, value);
    return typeof k.additionalProperties === 'object' && known(k.additionalProperties, rest, value);
  });
}
