// An auditor that finds nothing may be blind: each of these forgeries has to be found.
import { audit, usageLines } from '../lib/audit.mjs';
import { CALM, Load } from '../lib/load.mjs';
import { must } from '../lib/tap.mjs';
import { keysOf, open, settle } from './kill.mjs';

async function findings(house, sandbox, seen) {
  try {
    await audit(house, sandbox, { seen });
    return '';
  } catch (e) {
    if (!/findings/.test(e.message)) throw e;
    return e.message;
  }
}

export async function canary(t, run) {
  const { house, sandbox } = await open(t, run, { users: { 'rich@example.com': '10' } });
  const load = new Load(house, { rng: run.rng, keys: keysOf(house), clients: 8, mix: CALM });
  load.run();
  await load.after(60);
  await load.stop();
  await settle(house);
  must((await findings(house, sandbox, load.seen)) === '', 'the house is not clean to begin with');
  const charged = [...(await usageLines(house)).values()].filter((l) => l.charge > 0n && !l.unresolved);
  const where = (line) => `id = ${house.postgres ? `'${line.id}'` : `x'${line.id.slice(2)}'`}`;
  const forgeries = {
    'a line that charges a nano-dollar more':
      [`UPDATE usage SET charge = charge + 1 WHERE ${where(charged[0])}`, `UPDATE usage SET charge = charge - 1 WHERE ${where(charged[0])}`],
    'an answer that is called unknown':
      [`UPDATE usage SET unresolved = 1 WHERE ${where(charged[1])}`, `UPDATE usage SET unresolved = 0 WHERE ${where(charged[1])}`],
    'a balance that is too high':
      ['UPDATE ledger_account SET balance = balance + 1 WHERE kind = 0', 'UPDATE ledger_account SET balance = balance - 1 WHERE kind = 0'],
    'a token that was not served':
      [`UPDATE usage SET input_tokens = input_tokens + 1, charge = charge + 180 WHERE ${where(charged[2])}`,
        `UPDATE usage SET input_tokens = input_tokens - 1, charge = charge - 180 WHERE ${where(charged[2])}`],
    'a line that is gone': [`DELETE FROM usage WHERE ${where(charged[3])}`, null],
  };
  const found = [];
  for (const [name, [forge, back]] of Object.entries(forgeries)) {
    await house.sql(forge);
    must((await findings(house, sandbox, load.seen)) !== '', `not noticed: ${name}`);
    found.push(name);
    if (back) await house.sql(back);
  }
  // A call that went around the ledger.
  const id = 'req_01J00000000000000000000000';
  await fetch(`${sandbox.url}/api/v1/chat/completions`, { method: 'POST',
    headers: { authorization: 'Bearer x', 'content-type': 'application/json', 'x-client-request-id': id },
    body: '{"model":"sandbox/echo","messages":[{"role":"user","content":"hi"}]}' });
  must((await findings(house, sandbox, load.seen)).includes(id), 'not noticed: a call that went around the ledger');
  await house.kill();
  return `${found.length + 1} forgeries, all noticed`;
}
