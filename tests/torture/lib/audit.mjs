// What the sandbox served, what clients saw and what Tollgate wrote, held against each other by
// request id. Nothing here trusts a sum of the program's own.
import { exactMember, idBytes, nano, usd } from './base.mjs';
import { chargeByCost, chargeOf, isPriced } from './model.mjs';

const BASIS = ['none', 'provider_usage', 'provider_cost', 'estimated'];
const USAGE = ['id', 'team', 'key_id', 'model', 'status', 'basis', 'input_tokens', 'output_tokens', 'charge', 'unresolved',
  'ended_us', 'detail'];
// Tags of the packed detail that matter here (src/gateway/about.h).
const DETAIL = { 21: 'cache_read_tokens', 28: 'error', 31: 'written_off' };

// One byte of tag, one of length (255: two more follow), the value; numbers are little-endian.
function unpack(hex) {
  const b = Buffer.from(hex.slice(2), 'hex');
  const found = { cache_read_tokens: 0n, error: '', written_off: 0n };
  for (let i = 0; i + 1 < b.length;) {
    const name = DETAIL[b[i]];
    const long = b[i + 1] === 255;
    const n = long ? b.readUInt16LE(i + 2) : b[i + 1];
    i += long ? 4 : 2;
    const value = b.subarray(i, i + n);
    if (name === 'error') found.error = value.toString();
    else if (name) found[name] = BigInt(`0x${Buffer.from(value).reverse().toString('hex') || '0'}`);
    i += n;
  }
  return found;
}

export async function usageLines(house) {
  const rows = await house.sql(`SELECT ${USAGE.join(', ')} FROM usage`);
  const lines = new Map(rows.map((row) => {
    const line = Object.fromEntries(USAGE.map((name, i) => [name, row[i]]));
    for (const name of ['input_tokens', 'output_tokens', 'charge']) line[name] = BigInt(line[name]);
    Object.assign(line, unpack(line.detail));
    line.paid = line.charge; // what the wallet paid; the rest of the charge was written off
    line.charge += line.written_off;
    line.unresolved = line.unresolved === '1';
    line.basis = BASIS[line.basis];
    return [line.id, line];
  }));
  if (lines.size !== rows.length) throw new Error('findings: a call has two usage lines');
  return lines;
}

const byModel = (line) =>
  chargeOf(line.model, { input: line.input_tokens, output: line.output_tokens, cached: line.cache_read_tokens });

// What is wrong with the charge of a call that was served; '' when nothing is.
function judgeServed(line, entry) {
  const free = entry.prompt_tokens === 0 && entry.completion_tokens === 0;
  if (line.unresolved) {
    // By the policy `checkpoint`: nothing, or an own count.
    if (line.charge !== 0n && line.basis !== 'estimated') return `unresolved, and charged by ${line.basis}`;
    return line.charge === 0n || line.charge === byModel(line) ? '' : `estimate is not ${usd(byModel(line))}`;
  }
  if (free) return line.charge === 0n ? '' : 'served without usage, yet charged';
  switch (line.basis) {
    case 'provider_usage': {
      const out = BigInt(entry.completion_tokens);
      const whole = chargeOf(line.model, {
        input: BigInt(entry.prompt_tokens), output: out, cached: BigInt(entry.cached_tokens) });
      if (line.charge === whole) return '';
      // A receipt taken before the sandbox had noticed the cut says less than the sandbox's last word.
      if (!entry.finished && line.input_tokens === BigInt(entry.prompt_tokens) && line.output_tokens <= out &&
        line.charge === byModel(line)) return '';
      return `should be ${usd(whole)}`;
    }
    case 'provider_cost': {
      const want = chargeByCost(line.model, entry.cost);
      return !isPriced(line.model) && line.charge === want ? '' : `should be ${usd(want)} by its cost`;
    }
    case 'estimated':
      if (!/no-usage|no-done/.test(entry.model) && entry.finished) return 'estimated, though the usage was told';
      return line.charge === byModel(line) ? '' : `estimate is not ${usd(byModel(line))}`;
    default:
      return 'served, and neither charged nor listed';
  }
}

// What is wrong with the charge of a call that the sandbox did not serve.
function judgeUnserved(line) {
  if (line.charge !== 0n) return 'charged, though nothing was served';
  return '';
}

// The ledger's own movements of each call against its line.
async function judgeTransfers(house, lines, wrong) {
  const wallets = new Set((await house.sql('SELECT id FROM ledger_account WHERE kind = 0 UNION SELECT id FROM ledger_lot')).map(([id]) => id));
  const sums = new Map();
  for (const [group, debit, credit, amount] of await house.sql(
    'SELECT group_id, debit, credit, amount FROM ledger_transfer')) {
    const by = wallets.has(debit) ? BigInt(amount) : 0n;
    const back = wallets.has(credit) ? BigInt(amount) : 0n;
    if (by !== back || by !== 0n) sums.set(group, (sums.get(group) ?? 0n) + by - back);
  }
  for (const line of lines.values())
    if ((sums.get(line.id) ?? 0n) !== line.paid)
      wrong.push(`${line.id}: the line says ${usd(line.paid)}, transfers ${usd(sums.get(line.id) ?? 0n)}`);
  let granted = 0n;
  for (const [group, sum] of sums)
    if (!lines.has(group)) {
      if (sum > 0n) wrong.push(`${group}: ${usd(sum)} left a wallet without a usage line`);
      granted -= sum;
    }
  return granted;
}

async function judgeBalances(house, lines, wrong) {
  const spent = new Map();
  for (const line of lines.values())
    spent.set(line.team, (spent.get(line.team) ?? 0n) + line.paid);
  const balances = new Map((await house.sql('SELECT id, balance FROM ledger_account')).map(([id, b]) => [id, BigInt(b)]));
  let all = 0n;
  for (const [id] of await house.sql('SELECT id FROM ledger_account WHERE kind <> 1')) all += balances.get(id);
  if (all !== 0n) wrong.push(`the sum of all accounts is ${usd(all)}`);
  for (const [email, granted] of house.granted) {
    const { key, team } = house.keys[email];
    const want = granted - (spent.get(team) ?? 0n);
    const [[wallet]] = await house.sql(
      `SELECT t.id FROM team t JOIN app_user u ON t.personal_of = u.id WHERE u.email = '${email}'`);
    const stored = balances.get(idBytes(wallet));
    if (stored !== want) wrong.push(`${email}: balance ${usd(stored ?? 0n)}, granted less charges ${usd(want)}`);
    if (want < 0n) wrong.push(`${email}: overdrawn: ${usd(want)}`);
    const told = await fetch(`${house.url}/me/usage?recent_limit=0`, { headers: { authorization: `Bearer ${key}` } });
    const text = await told.text();
    if (told.status !== 200 || nano(exactMember(text, 'balance') ?? '-1') !== want)
      wrong.push(`${email}: /me/usage says ${told.status} ${text.slice(0, 100)}, not ${usd(want)}`);
  }
}

// A key's cap has counted what its calls were charged, no more and no less.
async function judgeCaps(house, lines, wrong) {
  const spent = new Map();
  for (const line of lines.values())
    spent.set(line.key_id, (spent.get(line.key_id) ?? 0n) + line.paid);
  const counted = new Map(await house.sql('SELECT id, balance FROM ledger_account WHERE kind = 1'));
  for (const [key, cap] of await house.sql('SELECT id, cap_id FROM api_key WHERE cap_id IS NOT NULL')) {
    const want = spent.get(idBytes(key)) ?? 0n;
    const found = -BigInt(counted.get(idBytes(cap)) ?? 0);
    if (found !== want) wrong.push(`the cap of ${key} has counted ${usd(found)}, its calls cost ${usd(want)}`);
  }
}

// What clients were told against what was written.
function judgeSeen(seen, lines, { lossy, asked }, wrong) {
  let answered = 0;
  for (const r of seen) {
    const line = r.id ? lines.get(idBytes(r.id)) : undefined;
    if (r.complete && r.status === 200 && !r.midstream) {
      answered++;
      if (!line) {
        if (!lossy(r)) wrong.push(`${r.id} (${r.model}): answered in full, and not in the ledger`);
      } else if (line.unresolved) {
        if (!asked(r)) wrong.push(`${r.id} (${r.model}): answered in full, yet its outcome is called unknown`);
      } else if (r.cost !== undefined && nano(r.cost) !== line.paid && !asked(r)) {
        wrong.push(`${r.id} (${r.model}): the client was told ${r.cost}, the wallet paid ${usd(line.paid)}`);
      }
    }
    if (r.refused && line) wrong.push(`${r.id}: refused with ${r.status} ${r.code}, yet it has a usage line`);
  }
  return answered;
}

// The house runs and is at rest. Returns counts; throws with all that is wrong.
//   seen       what clients saw (load.mjs)
//   mayLose    entry → is it in the window that the durability gives up? (default: nothing is)
//   lossy      seen → may it be missing? (default: nothing may)
//   unresolved 0 when none may be listed
//   asked      seen → may its outcome be unknown, though it was answered? (default: no)
//   elsewhere  line → was it served by another upstream than the sandbox?
export async function audit(house, sandbox, { seen = [], mayLose = () => false, lossy = () => false, asked = () => false,
  unresolved, elsewhere = () => false } = {}) {
  const wrong = [];
  const verdict = await house.verb(['ledger', 'verify']);
  let v = {};
  try { v = JSON.parse(verdict.out); } catch { wrong.push(`ledger verify: ${verdict.code} ${verdict.err}`); }
  if (v.ok !== true) wrong.push(`ledger verify: ${JSON.stringify(v.report)}`);
  if (v.open_holds !== 0) wrong.push(`${v.open_holds} holds are open`);
  const lines = await usageLines(house);
  const { entries } = await sandbox.served();
  const served = new Map();
  for (const entry of entries) {
    if (!entry.client_request_id) { wrong.push(`a call without our id: ${entry.id}`); continue; }
    const id = idBytes(entry.client_request_id);
    if (entry.status === 200) {
      if (served.has(id)) wrong.push(`${entry.client_request_id} (${entry.model}) was served twice`);
      served.set(id, entry);
    }
  }
  let charged = 0, listed = 0, lost = 0;
  for (const [id, entry] of served) {
    const line = lines.get(id);
    if (!line) {
      if (mayLose(entry)) lost++;
      else wrong.push(`${entry.client_request_id} (${entry.model}) was served, and is not in the ledger`);
      continue;
    }
    const bad = judgeServed(line, entry);
    if (bad) wrong.push(`${entry.client_request_id} (${line.model}, ${line.status} ${line.error}, ${line.basis}, in ${line.input_tokens} out ${line.output_tokens} cached ${line.cache_read_tokens}): charged ${usd(line.charge)}: ${bad}; the sandbox: ${JSON.stringify(entry)}`);
    if (line.unresolved) listed++;
    else charged++;
  }
  for (const line of lines.values())
    if (!served.has(line.id) && !elsewhere(line)) {
      const bad = judgeUnserved(line);
      if (bad) wrong.push(`${line.id} (${line.model}, ${line.status} ${line.error}, ${line.basis}): ${usd(line.charge)}: ${bad}`);
    }
  const list = await house.cli('ledger', 'unresolved');
  const named = new Set((list.data ?? list.calls ?? list).map((c) => idBytes(c.request_id ?? c.id)));
  const marked = [...lines.values()].filter((l) => l.unresolved);
  for (const l of marked) if (!named.has(l.id) && marked.length <= 1000) wrong.push(`${l.id} is unresolved, and not listed`);
  if (unresolved === 0 && marked.length > 0)
    wrong.push(`${marked.length} calls are unresolved: ${marked.slice(0, 3).map((l) => `${l.model} ${l.error}`)}`);
  const granted = await judgeTransfers(house, lines, wrong);
  await judgeBalances(house, lines, wrong);
  await judgeCaps(house, lines, wrong);
  const sum = [...house.granted.values()].reduce((a, b) => a + b, 0n);
  if (granted !== sum) wrong.push(`granted: ${usd(granted)}, confirmed ${usd(sum)}`);
  const answered = judgeSeen(seen, lines, { lossy, asked }, wrong);
  if (wrong.length > 0) {
    const shown = wrong.slice(0, 12).join('\n');
    throw new Error(`${wrong.length} findings:\n${shown}${wrong.length > 12 ? '\n…' : ''}`);
  }
  return { served: served.size, charged, listed, lost, unresolved: marked.length, lines: lines.size, answered, granted, map: lines };
}
