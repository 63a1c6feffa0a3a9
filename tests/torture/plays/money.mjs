// Credit is bought, spent, refunded, disputed and buys itself, and the house dies in the middle of it.
// Afterwards its books are held against what the sandbox's Stripe says of itself: each paid intent
// credited once, each refund and dispute taken back once, each outside write done once.
import { join } from 'node:path';
import { nano, usd } from '../lib/base.mjs';
import { House, startSandbox } from '../lib/house.mjs';
import { config, Died, Life, lives } from '../lib/seller.mjs';
import { must } from '../lib/tap.mjs';

const CENT = 10000000n; // nano-dollars

class Buyer extends Life {
  constructor(house, sandbox) {
    super(house, sandbox);
    this.pays = {};
    this.steps = [
      () => this.buy('first', '25'),
      () => this.refundHere('first', '5'),
      () => this.buy('second', '10'),
      () => this.topUpItself(),
      () => this.refundThere('second', 300),
      () => this.dispute('second', 'open'),
      () => this.dispute('second', 'won'),
      () => this.spend(3),
      () => this.buy('third', '5', 'bank'),
      () => this.once('third', 'bank_paid', () => this.stripe.control(`session/${this.pays.third.session}`, { phase: 'bank_paid' })),
      () => this.paid('third'),
      () => this.dispute('third', 'open'),
      () => this.dispute('third', 'lost'),
      () => this.refundThere('first', 2000), // more than is left of it
    ];
  }

  async buy(name, amount, how = 'pay') {
    const r = await this.ask('POST', '/api/billing/checkout', { amount }, `buy ${name}`);
    must(r.status === 201, `checkout: ${r.status} ${JSON.stringify(r.json)}`);
    this.pays[name] = { id: r.json.id, session: r.json.session_id, amount };
    await this.once(name, how, () => this.stripe.click(r.json.session_id, how));
    if (how === 'pay') await this.paid(name);
  }

  paid(name) {
    return this.until(`payment ${name}`, async () => {
      const { json } = await this.ask('GET', `/api/billing/payments/${this.pays[name].id}`);
      this.pays[name].seen = true;
      return json.status !== 'pending' || json;
    });
  }

  intent = async (name) => (await this.stripe.all('payment_intents')).find((i) => i.metadata.payment_id === this.pays[name].id).id;

  async refundHere(name, amount) {
    const r = await this.ask('POST', `/api/admin/payments/${this.pays[name].id}/refund`, { amount }, `refund ${name}`);
    must(r.status === 202, `refund: ${r.status} ${JSON.stringify(r.json)}`);
  }

  async refundThere(name, amount) {
    await this.stripe.api('refunds', { payment_intent: await this.intent(name), amount }, `there ${name} ${amount}`);
  }

  async dispute(name, phase) {
    await this.once(name, phase, async () => this.stripe.control(`dispute/${await this.intent(name)}`, { phase }));
  }

  // A threshold that is never reached and a cap of one: it happens once.
  async topUpItself() {
    const r = await this.ask('PATCH', '/api/billing/auto-topup', { enabled: true, threshold: '1000', amount: '15', monthly_cap: '15' });
    must(r.status === 200, `auto-topup: ${r.status} ${JSON.stringify(r.json)}`);
    await this.until('the credit that buys itself', async () => {
      await this.kick('auto_topup_look');
      const { json } = await this.ask('GET', '/api/billing/auto-topup');
      return (json.spent_this_month === '15' && !json.in_flight) || json;
    });
  }

  async spend(n) {
    const body = JSON.stringify({ model: 'sandbox/echo', messages: [{ role: 'user', content: 'x' }] });
    for (let i = 0; i < n; i++) {
      const r = await fetch(`${this.house.url}/v1/chat/completions`, { method: 'POST', body,
        headers: { authorization: `Bearer ${this.key}`, 'content-type': 'application/json' } }).then((x) => x.text(), () => null);
      if (r === null && await this.dies()) throw new Died('spend');
    }
  }

  async audit() {
    const { house, stripe } = this, wrong = [];
    const intents = (await stripe.all('payment_intents')).filter((i) => i.status === 'succeeded');
    const refunds = (await stripe.all('refunds')).filter((r) => r.status === 'succeeded');
    const disputes = (await stripe.all('disputes')).filter((d) => d.status !== 'won');
    const orders = await house.sql('SELECT id, kind, status, payment_intent, owed FROM stripe_transactions');
    // What went into a payment's lots, and what left them by another way than a call's charge.
    const moves = [...await house.sql('SELECT s.payment_id, t.amount FROM stripe_lot s JOIN ledger_transfer t ON t.credit = s.lot_id'),
      ...await house.sql("SELECT s.payment_id, -t.amount FROM stripe_lot s JOIN ledger_transfer t ON t.debit = s.lot_id WHERE t.reason <> 'charge'")];
    let want = 0n, owed = 0n;
    for (const i of intents) {
      const order = orders.find(([id]) => id === i.metadata.payment_id);
      const back = [...refunds, ...disputes].filter((r) => r.payment_intent === i.id).reduce((sum, r) => sum + BigInt(r.amount), 0n);
      const net = BigInt(i.amount) - (back < BigInt(i.amount) ? back : BigInt(i.amount));
      want += net * CENT;
      if (!order || order[3] !== i.id) { wrong.push(`${i.id} was paid for ${i.metadata.payment_id}, which is ${order}`); continue; }
      owed += BigInt(order[4]);
      const left = moves.filter(([id]) => id === order[0]).reduce((sum, [, amount]) => sum + BigInt(amount), 0n);
      if (left - BigInt(order[4]) !== net * CENT)
        wrong.push(`${order[0]} (${order[2]}): its lots got ${usd(left)}, ${usd(BigInt(order[4]))} is owed; Stripe has ${net} cents of it`);
    }
    for (const kind of ['topup', 'auto_topup']) {
      const ours = orders.filter((o) => o[1] === kind && ['completed', 'refunded', 'disputed'].includes(o[2])).length;
      const theirs = intents.filter((i) => orders.some((o) => o[0] === i.metadata.payment_id && o[1] === kind)).length;
      if (ours !== (kind === 'topup' ? 3 : 1) || theirs !== ours) wrong.push(`${ours} of ${kind}, ${theirs} at Stripe`);
    }
    if (intents.length !== 4 || refunds.length !== 3) wrong.push(`Stripe has ${intents.length} payments and ${refunds.length} refunds, not 4 and 3`);
    const usage = await (await fetch(`${house.url}/me/usage?start=2026-01-01`, { headers: { authorization: `Bearer ${this.key}` } })).json();
    const balance = nano(String(usage.balance)), spent = nano(String(usage.total_cost));
    if (balance - owed !== want - spent) wrong.push(`a balance of ${usd(balance)}, ${usd(owed)} owed, ${usd(spent)} spent; Stripe has ${usd(want)}`);
    const verdict = JSON.parse((await house.verb(['ledger', 'verify'])).out);
    if (verdict.ok !== true) wrong.push(JSON.stringify(verdict));
    must(wrong.length === 0, `findings:\n${wrong.join('\n')}`);
  }
}

// An auditor that finds nothing is worth as much as the forgeries that he notices.
export async function noticed(t, run) {
  const sandbox = await startSandbox(t.dir, run.rng.between(1, 1e6));
  t.cleanup(() => sandbox.stop());
  const house = new House(join(t.dir, 'house'), { config: config(sandbox) });
  t.cleanup(() => house.kill());
  house.sandboxUrl = sandbox.url;
  const life = new Buyer(house, sandbox);
  await life.begin();
  await life.open();
  must(await life.live(), `it ended: ${house.lastWords()}`);
  await life.audit();
  const forgeries = [
    ["UPDATE stripe_transactions SET owed = owed + 1 WHERE kind = 'auto_topup'", "UPDATE stripe_transactions SET owed = owed - 1 WHERE kind = 'auto_topup'"],
    ["UPDATE stripe_transactions SET status = 'pending' WHERE kind = 'auto_topup'", "UPDATE stripe_transactions SET status = 'completed' WHERE kind = 'auto_topup'"],
    ["UPDATE ledger_transfer SET amount = amount + 1 WHERE reason LIKE 'taken back%'", "UPDATE ledger_transfer SET amount = amount - 1 WHERE reason LIKE 'taken back%'"],
    ["UPDATE stripe_lot SET n = n + 100, payment_id = (SELECT id FROM stripe_transactions WHERE kind = 'auto_topup') WHERE n = 0 AND payment_id = (SELECT min(id) FROM stripe_transactions)",
      "UPDATE stripe_lot SET n = n - 100, payment_id = (SELECT min(id) FROM stripe_transactions) WHERE n = 100"],
  ];
  const blind = async (what) => must(!(await life.audit().then(() => true, (e) => { must(/findings/.test(e.message), e.message); return false; })), `nobody noticed: ${what}`);
  for (const [forge, undo] of forgeries) {
    await house.sql(forge);
    await blind(forge);
    await house.sql(undo);
    await life.audit();
  }
  // And one at Stripe, of which the house never hears.
  await life.stripe.control('settings', { drop_percent: 100 });
  await life.stripe.api('refunds', { payment_intent: (await life.stripe.all('payment_intents')).find((i) => i.metadata.payment_id !== life.pays.first.id && i.amount === 1500).id, amount: 100 });
  await blind('a refund at Stripe');
  await house.stop();
  return `${forgeries.length + 1} forgeries, all noticed`;
}

export const sold = (t, run, how) => lives(Buyer, t, run, how);
