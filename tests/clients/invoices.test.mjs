// Statements and receipts on paper: what they say, their numbers, who may read them.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { House, until, withinAMonth } from './lib/house.mjs';
import { Person, QUICK } from './lib/people.mjs';

const SELLER = ['[invoice]', 'prefix = TG-', 'seller_name = Müller & Söhne GmbH', 'seller_address = Hauptstraße 1; 10115 Berlin; Germany',
  'seller_tax_id = DE123456789', 'seller_email = billing@example.com', 'tax_name = VAT', 'note = Prepaid credit does not expire.'];
const sqlite = process.env.TOLLGATE_TEST_ENGINE !== 'postgres';
let house, op, owner;
before(async () => {
  await withinAMonth();
  house = await House.start({ mail: true, config: [...QUICK, ...SELLER] });
  op = new Person(house);
  house.keep((await house.json('admin', 'user', 'create', '--email', op.email, '--operator')).api_key);
  await op.post('/api/auth/forgot', { email: op.email });
  await op.post('/api/auth/reset', { token: (await op.mail('/reset')).token, password: op.password });
  await op.login();
  owner = await new Person(house).signUp();
});
after(() => house?.stop());

const bytes = async (p, path) => {
  const r = await fetch(house.url + path, { headers: { cookie: [...p.cookies].map(([k, v]) => `${k}=${v}`).join('; ') } });
  return { status: r.status, type: r.headers.get('content-type'), name: r.headers.get('content-disposition'), body: Buffer.from(await r.arrayBuffer()) };
};
function textOf(pdf, file) {
  writeFileSync(file, pdf);
  return execFileSync('pdftotext', ['-layout', file, '-'], { encoding: 'utf8' });
}

test('the buyer gives his details, within bounds', async () => {
  assert.deepEqual((await owner.get('/api/billing/details')).json, { name: '', address: '', tax_id: '', email: '' });
  const d = { name: '株式会社 Example Ω', address: '1-2-3 Shibuya\nTokyo 150-0002\nJapan', tax_id: 'T1234567890123', email: 'ap@example.com' };
  assert.deepEqual((await owner.patch('/api/billing/details', d)).json, d);
  for (const bad of [{ address: 'a\n'.repeat(7) }, { address: 'a\tb' }, { email: 'nobody' }, { name: 'x'.repeat(101) }])
    assert.equal((await owner.patch('/api/billing/details', bad)).status, 422);
  assert.deepEqual((await owner.patch('/api/billing/details', { tax_id: '' })).json, { ...d, tax_id: '' });
});

test('transactions as CSV', async () => {
  const got = await bytes(owner, '/api/billing/transactions.csv');
  assert.deepEqual([got.status, got.type], [200, 'text/csv; charset=utf-8']);
  const [head, line] = got.body.toString().split('\r\n');
  assert.equal(head, 'at,kind,amount,description,request_id,id');
  assert.match(line, /^20\S+Z,credit,10,"welcome",,txn_\w+\.\d+$/);
});

test('a month that is over has a statement, by model, member and key, once', { skip: !sqlite }, async () => {
  const key = (await owner.post('/api/keys', { name: 'Produktion – 東京' })).json;
  house.keep(key.api_key);
  await house.halt();
  // A month's past, written where the ledger would have: nothing can be bought last month.
  const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
  const hex = (id) => { let n = 0n; for (const c of id.split('_')[1]) n = n * 32n + BigInt(alphabet.indexOf(c)); return n.toString(16).padStart(32, '0'); };
  const now = new Date(), start = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1) / 86400e3;
  const rows = [];
  for (let d = 0; d < 20; d++)
    for (const [i, model] of ['openai/gpt-4o-mini', 'anthropic/claude-sonnet-4', 'sandbox/echo'].entries())
      rows.push(`INSERT INTO usage_day VALUES (x'${hex(owner.team)}',${start + d},x'${hex(key.id)}','${model}',${10 + i},1,${1000 * (i + 1)},${300 * (i + 1)},${12345678 * (i + 1)});`);
  rows.push(`INSERT INTO team_day VALUES (${start + 3},x'${hex(owner.team)}',1,1,1);`);
  execFileSync('sqlite3', [join(house.data, 'tollgate.db'), rows.join('\n')]);
  await house.serve();
  const statements = async () => (await owner.get('/api/billing/invoices?kind=statement')).json.data;
  const job = (await op.get('/api/admin/jobs?kind=statements')).json.data[0];
  assert.equal((await op.post(`/api/admin/jobs/${job.id}/retry`)).status, 200);
  const [s] = await until('the statement', async () => { const all = await statements(); return all.length && all; });
  assert.deepEqual([s.number, s.kind, s.total, s.tax, s.payment_id], [`TG-${now.getUTCFullYear()}-000001`, 'statement', '1.48148136', '0', null]);
  assert.equal(Date.parse(s.period.start), start * 86400e3);
  const pdf = await bytes(owner, `/api/billing/invoices/${s.id}/pdf`);
  assert.deepEqual([pdf.status, pdf.type], [200, 'application/pdf']);
  assert.match(pdf.name, /TG-\d+-000001\.pdf/);
  assert.equal(pdf.body.subarray(0, 5).toString(), '%PDF-');
  const text = textOf(pdf.body, join(house.dir, 's.pdf'));
  for (const line of ['Statement', s.number, 'Müller & Söhne GmbH', 'Hauptstraße 1', 'Tax ID: DE123456789', 'Tokyo 150-0002', 'By model', 'openai/gpt-4o-mini', 'By member', owner.email, 'By API key', 'Produktion –', '$0.74074068', '120,000', '$1.48148136', 'Page 1 of'])
    assert.ok(text.includes(line), `${line} is not in\n${text}`);
  const ran = async () => (await op.get(`/api/admin/jobs/${job.id}`)).json.steps[0].ended_at, first = await until('its end', ran);
  assert.equal((await op.post(`/api/admin/jobs/${job.id}/retry`)).status, 200);
  await until('another run', async () => { const at = await ran(); return at && at !== first; });
  assert.equal((await statements()).length, 1);
  const other = await new Person(house).signUp();
  assert.equal((await other.get(`/api/billing/invoices/${s.id}/pdf`)).status, 404);
  // What it says stays, whatever the buyer is called later.
  await owner.patch('/api/billing/details', { name: 'Another' });
  assert.ok(!textOf((await bytes(owner, `/api/billing/invoices/${s.id}/pdf`)).body, join(house.dir, 's2.pdf')).includes('Another'));
});
