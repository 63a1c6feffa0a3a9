// Credit that comes by a code, and what a team has told to its own addresses.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startUpstream, until } from '../clients/lib/house.mjs';
import { open, Visitor } from './lib/visitor.mjs';

let all, ada, receiver, reply = (rq, rs) => rs.writeHead(204).end();
before(async () => {
  all = await open({ config: ['[webhooks]', 'private_allowed = yes'] });
  receiver = await startUpstream((rq, rs) => reply(rq, rs));
  ada = await Visitor.at(all);
  await ada.comeIn();
});
after(async () => {
  await ada?.leave();
  await receiver?.stop();
  await all?.close();
});

test('an operator makes a code, a customer redeems it, and the balance is there without a reload', async () => {
  const op = await Visitor.at(all, 'operator@example.com');
  const token = op.house.keep(/\/setup\?token=([0-9A-Za-z]+)/.exec(all.house.child.out())[1]);
  await op.go(`/setup?token=${token}`);
  await op.fill('E-mail', op.email);
  await op.fill('Password', op.password);
  await op.click('Create the operator');
  await op.heading('Overview');
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
  await op.leave();
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
