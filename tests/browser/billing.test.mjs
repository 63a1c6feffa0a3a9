// Credit that is bought or comes by a code, and what a team has told to its own addresses.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startUpstream, until } from '../clients/lib/house.mjs';
import { open, Visitor } from './lib/visitor.mjs';

let all, ada, op, receiver, reply = (rq, rs) => rs.writeHead(204).end();
before(async () => {
  all = await open({ stripe: true, config: ['[stripe]', 'reconcile_again = 1s', '[webhooks]', 'private_allowed = yes'] });
  receiver = await startUpstream((rq, rs) => reply(rq, rs));
  ada = await Visitor.at(all);
  await ada.comeIn();
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
  await receiver?.stop();
  await all?.close();
});

const balance = (text) => ada.page.locator('[aria-label=Balance]').getByText(text, { exact: true }).waitFor();
const read = async (who, path) => (await who.page.request.get(all.house.url + path)).json();
const payments = () => ada.page.getByRole('table', { name: 'Payments' });

test('top up: paid on the checkout, and the balance is there without a reload; the receipt is a PDF', async () => {
  await ada.go('/billing');
  await balance('$10.00');
  await ada.click('Top up');
  await ada.page.getByRole('radio', { name: 'Other' }).click();
  await ada.fill('Amount in US dollars', '4.99', ada.dialog());
  await ada.click('Continue to the payment', ada.dialog());
  await ada.sees('It must be an amount from $5.00 to $2,000.00.');
  await ada.page.getByRole('radio', { name: '$25', exact: true }).click();
  await ada.check('top up');
  await ada.click('Continue to the payment', ada.dialog());

  // The card is declined first, then another one pays.
  await ada.page.getByRole('heading', { name: '25.00 usd' }).waitFor();
  await ada.page.locator('#fail').click();
  await ada.sees('The card was declined.');
  await ada.page.locator('#pay').click();
  await ada.page.waitForURL('**/billing?session_id=cs_*');
  await ada.sees('$25.00 was added');
  await balance('$35.00');
  await ada.page.getByRole('table', { name: 'Credit' }).getByText('Purchased').waitFor();
  await ada.check('paid');
  await ada.click('Dismiss');
  await ada.page.waitForURL((u) => u.search === '');
  await ada.page.getByRole('tab', { name: 'Payments and receipts' }).click();
  const receipt = payments().getByRole('row', { name: /Top-up.*Paid.*\$25\.00/ }).getByRole('link', { name: 'Receipt' });
  const pdf = await ada.page.request.get(all.house.url + await receipt.getAttribute('href'));
  assert.equal(pdf.headers()['content-type'], 'application/pdf');
  assert.equal((await pdf.body()).subarray(0, 5).toString(), '%PDF-');
  await ada.check('payments');
});

test('a checkout that is left can be gone on with; one that is closed has expired; a bank takes days', async () => {
  const begin = async (name) => {
    await ada.go('/');
    await ada.page.getByRole('link', { name: 'Top up' }).click();
    await ada.page.getByRole('radio', { name, exact: true }).click();
    await ada.click('Continue to the payment', ada.dialog());
    await ada.page.locator('#pay').waitFor();
  };
  await begin('$5');
  await ada.go('/billing?tab=payments');
  await payments().getByRole('row', { name: /Not paid yet.*\$5\.00/ }).getByRole('link', { name: 'Pay' }).click();
  await ada.page.locator('#close').click();
  await ada.page.waitForURL('**/billing?canceled=pay_*');
  await ada.sees('Nothing was charged.');
  await balance('$35.00');
  await begin('$10');
  await ada.page.locator('#bank').click();
  await ada.sees('$10.00 is on its way');
  await balance('$35.00');
  await ada.check('awaited');
});

test('automatic top-up is set, and turned off', async () => {
  const set = async (amount) => {
    await ada.go('/billing');
    await ada.click('Set up');
    await ada.fill('When less is available than', '20', ada.dialog());
    await ada.fill('Buy', amount, ada.dialog());
    await ada.fill('At most in a month', '10', ada.dialog());
    await ada.click('Save', ada.dialog());
  };
  await set('20');
  await ada.sees('It must not be below the amount.');
  await set('10');
  await ada.sees('Automatic top-up is on.');
  await ada.sees('Below $20.00 it buys $10.00, at most $10.00 a month');
  await ada.check('automatic top-up');
  await ada.page.locator('section', { hasText: 'Automatic top-up' }).getByRole('button', { name: 'Edit' }).click();
  await ada.page.getByRole('switch', { name: /Buy credit by itself/ }).click();
  await ada.click('Save', ada.dialog());
  await ada.sees('Automatic top-up is off.');
  await ada.sees('Credit is bought by hand alone.');
});

test('an operator refunds what is unspent, and compares the books', async () => {
  await op.go('/admin/payments');
  await op.page.getByRole('row', { name: new RegExp(`${ada.email}.*Paid.*\\$25\\.00`) }).getByRole('link').click();
  await op.sees('checkout.session.completed');
  await op.check('payment');
  await op.click('Refund');
  await op.fill('Amount in US dollars', '26', op.dialog());
  await op.click('Refund', op.dialog());
  await op.sees(/More than what is unspent/);
  await op.fill('Amount in US dollars', '', op.dialog());
  await op.fill('Reason', 'She asked', op.dialog());
  await op.click('Refund', op.dialog());
  await op.sees('The refund has begun.');
  await op.page.getByRole('table', { name: 'Refunds' }).getByText('Sent back').waitFor();
  await op.page.getByRole('heading', { level: 1 }).getByText('Refunded').waitFor();
  await ada.go('/billing');
  await balance('$10.00');
  await until('Stripe to tell', async () => (await read(op, '/api/admin/stripe-events?type=charge.refunded')).data.length); // (the list is as it was when it was asked for)
  await op.go('/admin/payments?tab=events');
  await op.page.getByRole('table', { name: 'Events' }).getByText('charge.refunded').first().waitFor();
  await op.check('events');
  await op.go('/admin/payments?tab=reconciliation');
  await op.click('Compare now');
  await op.page.getByRole('table', { name: 'Reports' }).getByText('None').nth(1).waitFor(); // (the first was made at the start)
  await op.check('reconciliation');
});

test('refunded on the sandbox\'s own page: the balance goes back before the eyes of who looks on', async () => {
  await ada.go('/billing?topup=1');
  await ada.page.getByRole('radio', { name: '$5', exact: true }).click();
  await ada.click('Continue to the payment', ada.dialog());
  await ada.page.locator('#pay').click();
  await balance('$15.00');
  await op.page.goto(`${all.house.sandbox.url}/stripe`);
  await op.page.getByRole('table', { name: 'Payments' }).getByRole('row', { name: /^5\.00 usd.*paid/ }).getByRole('button', { name: 'Refund' }).click();
  await op.page.getByRole('row', { name: /^5\.00 usd.*refunded/ }).waitFor();
  await balance('$10.00');
});

test('credit that a dispute froze: the operator sees why, and gives it back', async () => {
  await ada.go('/billing?topup=1');
  await ada.page.getByRole('radio', { name: '$5', exact: true }).click();
  await ada.click('Continue to the payment', ada.dialog());
  await ada.page.locator('#pay').click();
  await balance('$15.00');
  const paid = (await read(op, '/api/admin/payments?status=completed')).data.find((p) => p.amount === '5');
  await all.house.sandbox.stripe(`dispute/${paid.payment_intent}`, { phase: 'open' });
  await until('disputed, and the money gone', async () => (await read(op, `/api/admin/payments/${paid.id}`)).disputes[0]?.withdrawn);
  await ada.go('/billing?tab=payments');
  await ada.sees('frozen until the bank has decided');
  await ada.check('frozen');
  await op.go(`/admin/payments/${paid.id}`);
  await op.sees('$5.00 of its credit is frozen');
  await op.sees(/The customer disputes it with the bank, which has taken the money/);
  await op.check('frozen, for the operator');
  await op.click('Give back');
  await op.fill('Reason', 'A mistake of her bank', op.dialog());
  await op.click('Give it back', op.dialog());
  await op.sees('The credit can be spent again.');
  await op.page.getByRole('table', { name: 'Disputes' }).getByText('Released').waitFor();
  await ada.go('/billing');
  await balance('$15.00');
  await all.house.sandbox.stripe(`dispute/${paid.payment_intent}`, { phase: 'lost' });
  await until('taken', async () => (await read(ada, '/api/billing/balance')).balance === '10');
});

test('a refund has its credit note beside the receipt', async () => {
  await ada.go('/billing?tab=payments');
  const row = payments().getByRole('row', { name: /Top-up.*Refunded.*\$25\.00/ });
  const pdf = await ada.page.request.get(all.house.url + await row.getByRole('link', { name: 'Credit note' }).getAttribute('href'));
  assert.equal(pdf.headers()['content-type'], 'application/pdf');
  await ada.page.getByRole('table', { name: 'Receipts and statements' }).getByRole('row', { name: /CN-\d+-000001.*Credit note.*−\$25\.00/ }).waitFor();
  const paid = (await read(op, '/api/admin/payments?status=refunded')).data.find((p) => p.amount === '25');
  await op.go(`/admin/payments/${paid.id}`);
  const seen = await op.page.request.get(all.house.url + await op.page.getByRole('link', { name: 'Receipt' }).getAttribute('href'));
  assert.equal(seen.headers()['content-type'], 'application/pdf');
});

test('books that differ: the report says how, the overview has an alert', async () => {
  const open = (await read(op, '/api/admin/payments?status=expired')).data[0];
  await fetch(`${all.house.sandbox.url}/stripe/v1/payment_intents`, { method: 'POST', headers: { authorization: 'Bearer sk_test_x' }, body: new URLSearchParams({ amount: '500', currency: 'usd', payment_method: 'pm_card_visa', confirm: 'true', 'metadata[payment_id]': open.id }) });
  await op.go('/admin/payments?tab=reconciliation');
  await op.click('Compare now');
  await op.page.getByRole('table', { name: 'Reports' }).getByText('here expired, 0, at Stripe succeeded, 500').waitFor();
  await op.check('differences');
  await op.go('/admin');
  await op.page.getByRole('alert').getByText(/lists and ours differ/).waitFor();
});

test('what receipts say of the buyer is changed', async () => {
  await ada.go('/billing?tab=payments');
  await ada.click('Edit');
  await ada.fill('Name', 'Engines Ltd', ada.dialog());
  await ada.fill('Address', '12 St James\'s Square\nLondon', ada.dialog());
  await ada.click('Save', ada.dialog());
  await ada.sees('The details are changed.');
  await ada.page.reload();
  await ada.sees('Engines Ltd');
  await ada.sees('12 St James');
});

test('an operator makes a code, a customer redeems it, and the balance is there without a reload', async () => {
  await op.go('/admin/codes');
  await op.click('Make codes');
  await op.fill('Name', 'Spring', op.dialog());
  await op.fill('Credit in US dollars', '$7.50', op.dialog());
  await op.click('Make', op.dialog());
  await op.sees('Copy it now');
  const code = op.house.keep(await op.page.locator('[data-secret]').innerText());
  assert.match(code, /^[A-HJ-NP-Z2-9]{4}(-[A-HJ-NP-Z2-9]{4}){3}$/);
  await op.check('the code, once');
  await op.click('I have kept it');

  await ada.go('/billing');
  await ada.click('Redeem a code');
  await ada.fill('Code', 'WRONG-WORD', ada.dialog());
  await ada.click('Redeem', ada.dialog());
  await ada.dialog().locator('[id$=-error]').waitFor();
  await ada.fill('Code', code.toLowerCase(), ada.dialog());
  await ada.click('Redeem', ada.dialog());
  await ada.sees('$7.50 added.');
  await ada.page.locator('[aria-label=Balance]').getByText('$17.50').waitFor();
  await ada.page.getByRole('table', { name: 'Credit' }).getByText('of $7.50').waitFor();
  await ada.page.getByRole('row', { name: /Redeemed code.*\+\$7\.50/ }).waitFor();

  // Once.
  await ada.click('Redeem a code');
  await ada.fill('Code', code, ada.dialog());
  await ada.click('Redeem', ada.dialog());
  await ada.dialog().locator('[id$=-error], [role=alert]').first().waitFor();
  await ada.check('redeem, refused');
  await ada.page.keyboard.press('Escape');
  await op.page.reload();
  await op.page.getByRole('row', { name: /Spring.*1 of 1.*Used up/ }).getByRole('button', { name: 'Spring', exact: true }).click();
  await op.dialog().getByRole('link', { name: ada.email }).waitFor();
  await op.check('who redeemed it');
});

test('alerts are set, and wrong ones refused', async () => {
  await ada.go('/billing');
  await ada.click('Change');
  await ada.fill('When the balance falls below', 'five', ada.dialog());
  await ada.click('Save', ada.dialog());
  await ada.sees(/It takes amounts in dollars/);
  await ada.fill('When the balance falls below', '$5, 1', ada.dialog());
  await ada.fill("When a month's spending passes", '50', ada.dialog());
  await ada.click('Save', ada.dialog());
  await ada.sees('$5.00, $1.00');
  await ada.page.reload();
  await ada.sees('$5.00, $1.00');
  await ada.sees('$50.00');
});

test('a webhook: added, tried, seen to fail, sent again, rotated, deleted', async () => {
  await ada.go('/webhooks');
  await ada.click('Add an endpoint');
  await ada.fill('Address', `${receiver.url}/hook`, ada.dialog());
  await ada.click('Add', ada.dialog());
  await ada.sees('Copy it now');
  const secret = all.house.keep(await ada.page.locator('[data-secret]').innerText());
  assert.match(secret, /^whsec_/);
  await ada.click('I have kept it');
  await ada.page.waitForURL('**/webhooks/whk_*');
  await ada.sees('Nothing was sent');
  await ada.check('webhook');
  assert.ok(!(await ada.page.content()).includes(secret), 'the secret is nowhere on the page');

  await ada.click('Send a test');
  const row = (text) => ada.page.getByRole('table', { name: 'Deliveries' }).getByRole('row', { name: text });
  await row(/webhook\.test.*204.*Delivered/).waitFor();
  assert.equal(JSON.parse(receiver.seen.at(-1).body).type, 'webhook.test');

  // What is refused says what came back, and is sent again by hand.
  reply = (rq, rs) => rs.writeHead(410).end('it moved');
  await ada.click('Send a test');
  await row(/webhook\.test.*410/).waitFor();
  await row(/410/).getByRole('button', { name: 'webhook.test' }).click();
  await ada.dialog().getByText('it moved').waitFor();
  await ada.check('delivery');
  await ada.page.keyboard.press('Escape');
  await ada.page.reload();
  await ada.sees('Off: it answered 410');
  reply = (rq, rs) => rs.writeHead(204).end();
  await ada.click('Turn it on');
  await ada.sees('It is on.');
  await row(/410/).getByRole('button', { name: 'webhook.test' }).click();
  await ada.click('Send again', ada.dialog());
  await row(/sent again.*204.*Delivered/).waitFor();
  await until('three at the receiver', () => receiver.seen.length === 3);
  assert.equal(receiver.seen[2].headers['webhook-id'], receiver.seen[1].headers['webhook-id']);

  const menu = async (name) => {
    await ada.click('Actions');
    await ada.page.getByRole('menuitem', { name }).click();
  };
  await menu('Rotate the secret');
  await ada.click('Rotate', ada.dialog());
  await ada.heading('Your new secret');
  assert.notEqual(all.house.keep(await ada.page.locator('[data-secret]').innerText()), secret);
  await ada.click('I have kept it');
  await ada.sees('signs as well until');
  await menu('Edit');
  await ada.page.getByRole('switch', { name: /Everything/ }).click();
  await ada.page.getByRole('switch', { name: /balance\.low/ }).click();
  await ada.click('Save', ada.dialog());
  await ada.page.getByRole('main').getByText('balance.low', { exact: true }).waitFor();
  await menu('Delete');
  await ada.click('Delete', ada.dialog());
  await ada.sees('No endpoints yet');
});
