// A plan is subscribed to, renewed by the sandbox's calendar, cancelled, and the house dies in the
// middle of it. Afterwards each invoice that Stripe says is paid is one payment here, and has brought
// its credit once; and there is one customer and one subscription at Stripe.
import { nano, usd } from '../lib/base.mjs';
import { Life, lives } from '../lib/seller.mjs';
import { must } from '../lib/tap.mjs';

const CREDIT = nano('25'), MONTH = 32 * 86400;

class Subscriber extends Life {
  constructor(house, sandbox) {
    super(house, sandbox);
    this.months = 0;
    this.steps = [
      () => this.plan(),
      () => this.subscribe(),
      () => this.month(),
      () => this.month(),
      () => this.act('cancel'),
      () => this.act('resume'),
      () => this.act('cancel'),
      () => this.over(),
    ];
  }

  async plan() {
    const r = await this.ask('POST', '/api/admin/plans', { name: 'Pro', price: '20', monthly_credit: '25', roll_over: 'all' }, 'plan');
    must(r.status === 201, `plan: ${r.status} ${JSON.stringify(r.json)}`);
    this.planId = r.json.id;
    await this.until('the plan at Stripe', async () => {
      const { json } = await this.ask('GET', `/api/admin/plans/${this.planId}`);
      return json.ready || json;
    });
  }

  // The same checkout as long as it is open; none once he has subscribed.
  async subscribe() {
    const r = await this.ask('POST', '/api/billing/subscription', { plan: this.planId }, 'subscribe');
    must(r.status === 201 || r.status === 409, `subscribe: ${r.status} ${JSON.stringify(r.json)}`);
    if (r.status === 201) await this.once('plan', 'pay', () => this.stripe.click(r.json.session_id, 'pay'));
    await this.paid(1);
  }

  paid(invoices) {
    return this.until(`${invoices} paid invoices`, async () => {
      const { json } = await this.ask('GET', '/api/billing/payments?limit=100');
      const n = json.data.filter((p) => p.kind === 'subscription' && p.status === 'completed').length;
      const { subscription } = (await this.ask('GET', '/api/billing/subscription')).json;
      return (n >= invoices && subscription.status === 'active') || { n, status: subscription?.status };
    });
  }

  async month() {
    const n = ++this.months;
    try {
      await this.once('month', n, () => this.stripe.control('clock/all', { by: MONTH }));
      await this.paid(1 + n);
    } catch (e) {
      this.months--; // the step comes again
      throw e;
    }
  }

  async act(what) {
    const r = await this.ask('POST', `/api/billing/subscription/${what}`);
    must([200, 409].includes(r.status), `${what}: ${r.status} ${JSON.stringify(r.json)}`);
    await this.until(what, async () => {
      const { subscription } = (await this.ask('GET', '/api/billing/subscription')).json;
      return subscription.cancel_at_period_end === (what === 'cancel') || subscription;
    });
  }

  async over() {
    await this.once('month', 'over', () => this.stripe.control('clock/all', { by: MONTH }));
    await this.until('the end', async () => {
      const { subscription } = (await this.ask('GET', '/api/billing/subscription')).json;
      return subscription.status === 'canceled' || subscription;
    });
  }

  kinds = ['stripe_event', 'stripe_subscription', 'stripe_invoice'];

  async audit() {
    const { house, stripe } = this, wrong = [];
    const invoices = (await stripe.all('invoices')).filter((i) => i.status === 'paid' && i.amount_paid > 0);
    const orders = await house.sql("SELECT invoice_id, status, amount, id FROM stripe_transactions WHERE kind = 'subscription'");
    const lots = await house.sql('SELECT s.payment_id, l.amount FROM stripe_lot s JOIN ledger_lot l ON l.id = s.lot_id');
    for (const i of invoices) {
      const mine = orders.filter(([id]) => id === i.id);
      const given = lots.filter(([id]) => id === mine[0]?.[3]).reduce((sum, [, amount]) => sum + BigInt(amount), 0n);
      if (mine.length !== 1 || mine[0][1] !== 'completed' || given !== CREDIT) wrong.push(`${i.id}: ${JSON.stringify(mine)}, its lots got ${usd(given)}`);
    }
    if (invoices.length !== 3 || orders.length !== 3) wrong.push(`${invoices.length} paid invoices, ${orders.length} payments, not 3`);
    for (const what of ['customers', 'subscriptions']) {
      const n = (await stripe.api(`${what}?limit=100&status=all`)).data.length;
      if (n !== 1) wrong.push(`${n} ${what} at Stripe`);
    }
    const { json } = await this.ask('GET', '/api/billing/balance');
    if (nano(json.balance) !== 0n) wrong.push(`a balance of ${json.balance}, though all of it ended with the plan`);
    const verdict = JSON.parse((await house.verb(['ledger', 'verify'])).out);
    if (verdict.ok !== true) wrong.push(JSON.stringify(verdict));
    must(wrong.length === 0, `findings:\n${wrong.join('\n')}`);
  }
}

export const subscribed = (t, run, how) => lives(Subscriber, t, run, how);
