// Plans: an operator makes them, a customer subscribes, changes, cancels, is late; the sandbox's clock is moved.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../clients/lib/house.mjs';
import { open, Visitor } from './lib/visitor.mjs';

const DAY = 86400, MONTH = 32 * DAY;
let all, ada, op;
before(async () => {
  all = await open({ stripe: true });
  op = await Visitor.at(all, 'operator@example.com');
  const token = op.house.keep(/\/setup\?token=([0-9A-Za-z]+)/.exec(all.house.child.out())[1]);
  await op.go(`/setup?token=${token}`);
  await op.fill('E-mail', op.email);
  await op.fill('Password', op.password);
  await op.click('Create the operator');
  await op.heading('Overview');
});
after(async () => {
  await op?.leave();
  await ada?.leave();
  await all?.close();
});

const read = async (who, path) => (await who.page.request.get(all.house.url + path)).json();
const sandbox = (what, body) => all.house.sandbox.stripe(what, body);
// Moved, and everything that comes of it told.
const clock = async (by) => {
  await sandbox('clock/all', { by });
  await until('events to be told', async () => !(await (await fetch(`${all.house.sandbox.url}/sandbox/stripe`)).json()).waiting);
};
const balance = (text) => ada.page.locator('[aria-label=Balance]').getByText(text, { exact: true }).waitFor();
const card = () => ada.page.locator('section', { has: ada.page.getByRole('heading', { name: /^Subscription/ }) });
const customer = async () => {
  const { stripe_id } = (await read(op, '/api/admin/subscriptions')).data[0];
  return (await (await fetch(`${all.house.sandbox.url}/stripe/v1/subscriptions/${stripe_id}`, { headers: { authorization: 'Bearer sk_test_x' } })).json()).customer;
};
async function make(values, roll) {
  await op.click('Make a plan');
  for (const [label, text] of Object.entries(values)) await op.fill(label, text, op.dialog());
  if (roll) {
    await op.page.getByRole('combobox', { name: 'What is left of it at the end of the month' }).click();
    await op.page.getByRole('option', { name: roll }).click();
  }
}

test('an operator makes plans, and they are on offer: for strangers, for customers', async () => {
  await op.go('/admin/plans');
  await op.check('no plans');
  await make({ Name: 'Pro', Description: 'For a small team', 'Price in US dollars': 'twenty', 'Credit each month': '25', 'Requests per minute': '3000', 'Requests at once': '500' }, 'Stays, up to an amount');
  await op.fill('Up to', '40', op.dialog());
  await op.click('Make it', op.dialog());
  await op.sees('It must be an amount in dollars, such as 20 or 0.50.');
  await op.check('a plan, wrong');
  await op.fill('Price in US dollars', '20', op.dialog());
  await op.click('Make it', op.dialog());
  await op.sees('The plan is made.');
  await op.page.getByRole('row', { name: /Pro.*\$20 a month.*\$25\.00.*On offer/ }).waitFor();
  await make({ Name: 'Basic', 'Price in US dollars': '5', 'Credit each month': '6' });
  await op.click('Make it', op.dialog());
  await op.page.getByRole('row', { name: /Basic.*On offer/ }).waitFor();
  await make({ Name: 'Scale', 'Price in US dollars': '200', 'Credit each month': '270' });
  await op.click('Make it', op.dialog());
  await op.page.getByRole('row', { name: /Scale.*On offer/ }).waitFor();
  await op.check('plans');

  ada = await Visitor.at(all);
  await ada.go('/');
  await ada.page.getByRole('region', { name: 'Plans' }).getByRole('listitem', { name: 'Pro' }).getByText('$25.00 of credit each month').waitFor();
  await ada.check('plans for strangers');
  await ada.comeIn();
});

test('subscribed on the checkout, after a card that was declined; the credit is there, with a receipt', async () => {
  await ada.go('/billing');
  await balance('$10.00');
  await ada.check('plans on offer');
  await ada.click('Subscribe to Pro');
  await ada.page.getByRole('heading', { name: '20.00 usd / month' }).waitFor();
  await ada.page.goBack();
  await ada.go('/billing');
  await card().getByRole('link', { name: 'Go on to the payment' }).click();
  await ada.page.locator('#fail').click();
  await ada.sees('The card was declined.');
  await ada.page.locator('#pay').click();
  await ada.page.waitForURL('**/billing?session_id=cs_*');
  await ada.sees('You have Pro now');
  await balance('$35.00');
  await card().getByText('of $25.00 this month').waitFor();
  await card().getByText('3,000 requests a minute, 500 at once').waitFor();
  await ada.check('subscribed');
  await ada.click('Dismiss');
  await ada.page.getByRole('tab', { name: 'Payments and receipts' }).click();
  const row = ada.page.getByRole('table', { name: 'Payments' }).getByRole('row', { name: /Pro, .*Paid.*\$20\.00/ });
  const pdf = await ada.page.request.get(all.house.url + await row.getByRole('link', { name: 'Receipt' }).getAttribute('href'));
  assert.equal((await pdf.body()).subarray(0, 5).toString(), '%PDF-');
});

test('a month passes: the credit renews before the eyes of who looks on, up to the cap', async () => {
  await ada.go('/billing');
  await balance('$35.00');
  const { period } = (await read(ada, '/api/billing/subscription')).subscription;
  await op.page.goto(`${all.house.sandbox.url}/stripe`);
  await op.click('A month later');
  await balance('$60.00'); // 10 of her own, 25 and 25 (at most 40 are kept, of 25)
  await card().getByText('$50.00').waitFor();
  await until('the next period', async () => (await read(ada, '/api/billing/subscription')).subscription.period.start === period.end);
});

test('a dearer plan is had at once, for the difference; a declined card changes nothing', async () => {
  await sandbox(`card/${await customer()}`, { phase: 'declined' });
  await ada.click('Change the plan');
  await ada.check('change');
  await ada.click('Choose Scale');
  await ada.dialog().getByText('is charged now, the difference for what is left of the period').waitFor();
  await ada.check('what it costs');
  const pay = ada.dialog().getByRole('button', { name: /^Pay \$\d+\.\d\d and change$/ });
  await pay.click();
  await ada.dialog().getByText('Nothing was changed.').waitFor();
  await sandbox(`card/${await customer()}`, { phase: 'good' });
  await pay.click();
  await ada.sees('You have Scale now.');
  await card().getByText('$200 a month').first().waitFor();
});

test('a cheaper one comes with the next renewal, and can be taken back', async () => {
  await ada.click('Change the plan');
  await ada.click('Choose Basic');
  await ada.dialog().getByText('Nothing is charged now').waitFor();
  await ada.dialog().getByRole('button', { name: /^Change on / }).click();
  await ada.sees('Basic comes with the next renewal.');
  await card().getByText('From then on').waitFor();
  await card().getByRole('button', { name: 'Keep Scale' }).click();
  await card().getByText('From then on').waitFor({ state: 'detached' });
});

test('canceled with the period, and resumed; the portal', async () => {
  await ada.click('More about the subscription');
  await ada.page.getByRole('menuitem', { name: 'Cancel the subscription' }).click();
  await ada.dialog().getByText('Bought credit stays.').waitFor();
  await ada.check('cancel');
  await ada.click('Cancel the subscription', ada.dialog());
  await ada.sees('It is canceled.');
  await card().getByText('Ends soon').waitFor();
  await ada.click('Keep it');
  await ada.sees('It goes on.');
  await card().getByText('Active', { exact: true }).waitFor();
  await ada.click('Card and invoices');
  await ada.page.getByText('Scale: active').waitFor();
  await ada.page.locator('#declined').click();
  await ada.page.locator('#back').click();
  await ada.heading('Billing');
});

test('not paid: it says what to do, and goes on when it is paid', async () => {
  await clock(MONTH);
  await ada.page.getByRole('alert').getByText('Scale is not paid').waitFor();
  await ada.check('past due');
  await ada.go('/');
  await ada.page.getByRole('alert').getByText('Scale is not paid').waitFor();
  await ada.go('/billing');
  await sandbox(`card/${await customer()}`, { phase: 'good' });
  await ada.page.getByRole('alert').getByRole('link', { name: 'Pay now' }).click();
  await ada.page.locator('#pay').click();
  await until('paid', async () => (await read(ada, '/api/billing/subscription')).subscription.status === 'active');
  await ada.go('/billing');
  await card().getByText('Active', { exact: true }).waitFor();
  await ada.page.getByText('Scale is not paid').first().waitFor({ state: 'detached' });
});

test('the operator sees who is on it, changes the plan for others, retires it, ends the subscription', async () => {
  await op.go('/admin/plans');
  await op.page.getByRole('row', { name: /Scale/ }).getByRole('link', { name: '1' }).click();
  await op.page.getByRole('table', { name: 'Subscriptions' }).getByRole('link', { name: ada.email }).waitFor();
  await op.check('subscriptions');
  await op.page.getByRole('table', { name: 'Subscriptions' }).getByRole('link', { name: ada.email }).click();
  await op.page.getByRole('table', { name: 'Payments' }).getByText('Paid').first().waitFor();
  await op.check('subscription');
  await op.click('Fetch again');
  await op.sees('It is fetched from Stripe.');
  await op.page.getByRole('link', { name: ada.email }).click();
  await op.page.getByRole('table', { name: 'Subscriptions' }).getByRole('link', { name: 'Scale' }).click();
  await op.click('Cancel it');
  await op.page.getByRole('switch', { name: 'At once' }).click();
  await op.click('End it now', op.dialog());
  await op.sees('It is over.');
  await ada.go('/billing');
  await ada.sees(/Scale ended on/);

  await op.go('/admin/plans');
  await op.click('Actions for Basic');
  await op.page.getByRole('menuitem', { name: 'Edit' }).click();
  await op.fill('Price in US dollars', '7', op.dialog());
  await op.click('Save', op.dialog());
  await op.page.getByRole('row', { name: /Basic.*\$7 a month.*On offer/ }).waitFor();
  await op.click('Actions for Scale');
  await op.page.getByRole('menuitem', { name: 'Retire' }).click();
  await op.page.getByRole('row', { name: /Scale.*Retired/ }).waitFor();
  await op.click('Actions for Basic');
  await op.page.getByRole('menuitem', { name: 'Delete' }).click();
  await op.click('Delete', op.dialog());
  await op.sees('The plan is deleted.');
  await ada.page.reload();
  await ada.page.getByRole('listitem', { name: 'Pro' }).waitFor();
  assert.equal(await ada.page.getByRole('listitem', { name: 'Scale' }).count(), 0);
});
