// The first operator sets the house up by the link that the server prints, and runs it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { open, Visitor } from './lib/visitor.mjs';

let all, op, ada, key;
before(async () => { all = await open(); });
after(async () => {
  await ada?.leave();
  await op?.leave();
  await all?.close();
});

const say = (model = 'sandbox/echo') => all.house.fetch('/v1/chat/completions', { key, body: { model, messages: [{ role: 'user', content: 'Hello there' }] } });

test('the set-up link makes the first operator, once', async () => {
  op = await Visitor.at(all, 'operator@example.com');
  const token = op.house.keep(/\/setup\?token=([0-9A-Za-z]+)/.exec(all.house.child.out())[1]);
  await op.go(`/setup?token=${token}`);
  await op.heading('Set Tollgate up');
  await op.check('set-up');
  await op.fill('E-mail', op.email);
  await op.fill('Password', op.password);
  await op.click('Create the operator');
  await op.heading('Overview');
  await op.go('/');
  await op.page.getByRole('navigation', { name: 'Operator' }).waitFor();
  await op.go(`/setup?token=${token}`);
  await op.heading('This house is set up');

  // A customer's pages end where the operator's begin.
  ada = await Visitor.at(all);
  await ada.comeIn();
  assert.equal(await ada.page.getByRole('navigation', { name: 'Operator' }).count(), 0);
  await ada.go('/admin/customers');
  await ada.heading('There is nothing here');
  await ada.go('/keys?new=1');
  await ada.fill('Name', 'Hers', ada.dialog());
  await ada.click('Create', ada.dialog());
  await ada.sees('Copy it now');
  key = all.house.keep(await ada.page.locator('[data-secret]').innerText());
  await ada.click('I have kept it');
  for (let i = 0; i < 3; i++) assert.equal((await say()).status, 200);
});

test('a customer: found, given credit, limited, suspended, let in again', async () => {
  await op.go('/admin/customers');
  await op.fill('Search by e-mail, name or number', ada.email.slice(0, 8));
  await op.page.getByRole('link', { name: ada.email }).click();
  await op.heading(ada.email);
  await op.check('customer');
  await op.click('Give credit');
  await op.fill('Amount in US dollars', '2.50', op.dialog());
  await op.fill('Reason', 'For patience', op.dialog());
  await op.click('Give credit', op.dialog());
  await op.sees('$2.50 given.');
  await op.page.getByRole('table', { name: 'Credit' }).getByText('For patience').waitFor();
  await ada.go('/billing');
  await ada.page.getByRole('table', { name: 'Statement' }).getByText('+$2.50').waitFor();
  await ada.sees('For patience');

  await op.click('Limits');
  await op.fill('Output tokens per request', 'many', op.dialog());
  await op.click('Save', op.dialog());
  await op.sees('It must be a whole number, or empty.');
  await op.fill('Output tokens per request', '64', op.dialog());
  await op.click('Save', op.dialog());
  await op.sees('64 max tokens');

  await op.click('Suspend');
  await op.click('Suspend', op.dialog());
  await op.page.getByRole('main').getByText('Suspended').waitFor();
  assert.ok([401, 403].includes((await say()).status));
  await op.click('Let in again');
  await op.click('Let in', op.dialog());
  await op.sees('They can sign in and call again.');
  await op.gone(op.page.getByRole('main').getByText('Suspended'));
  assert.equal((await say()).status, 200);
});

test('a rule is tried on the last days, then made, and is what is charged', async () => {
  const before = (await (await say()).json()).usage.cost;
  await op.go('/admin/pricing?tab=rules');
  await op.click('Add a rule');
  await op.fill('Models', 'sandbox/*', op.dialog());
  await op.fill('Markup in percent', '140', op.dialog());
  await op.fill('Priority', '10', op.dialog());
  await op.click('Dry run', op.dialog());
  const run = op.page.getByRole('region', { name: 'Dry run' });
  await run.getByRole('row', { name: /sandbox\/echo/ }).waitFor();
  await op.check('dry run');
  // 20 % before, 140 % then: twice as much.
  const cells = await run.getByRole('row', { name: /sandbox\/echo/ }).getByRole('cell').allInnerTexts();
  const money = (t) => Number(/\$([\d.,]+)/.exec(t)[1]);
  assert.ok(Math.abs(money(cells[3]) / money(cells[2]) - 2) < 0.001, cells.join(' | '));
  await op.click('Add the rule', op.dialog());
  await op.sees('The rule is added.');
  const after = (await (await say()).json()).usage.cost;
  assert.ok(Math.abs(after / before - 2) < 0.001, `${before} and ${after}`);
  await op.click('Remove the rule for sandbox/*');
  await op.click('Remove', op.dialog());
  await op.gone(op.page.getByRole('button', { name: 'Remove the rule for sandbox/*' }));
});

test('a provider and a route: added, tried, removed; a price set', async () => {
  await op.go('/admin/providers');
  await op.click('Add a provider');
  await op.fill('Name', 'second', op.dialog());
  await op.fill('Base URL', `${all.house.sandbox.url}/api/v1`, op.dialog());
  await op.fill('API key', all.house.keep('PLANTED-sk-second-0123456789'), op.dialog());
  await op.click('Add', op.dialog());
  await op.sees('second is added.');
  await op.page.getByRole('row', { name: /^second/ }).getByRole('button', { name: 'Test' }).click();
  await op.page.getByRole('row', { name: /^second/ }).getByText(/answers in/).waitFor();
  await op.click('Add a route');
  await op.fill('Models', 'other/*', op.dialog());
  await op.click('Add', op.dialog());
  await op.page.getByRole('row', { name: /other\/\*/ }).waitFor();
  await op.page.getByRole('button', { name: /Remove the route other/ }).click();
  await op.click('Remove', op.dialog());
  await op.gone(op.page.getByRole('row', { name: /other\/\*/ }));
  await op.click('Remove second');
  await op.click('Remove', op.dialog());
  await op.gone(op.page.getByRole('row', { name: /^second/ }));

  await op.go('/admin/pricing');
  await op.click('Set a price');
  await op.fill('Models', 'own/model', op.dialog());
  await op.fill('Input', '0.15', op.dialog());
  await op.fill('Output', '0.6', op.dialog());
  await op.click('Set', op.dialog());
  await op.fill('Search prices', 'own/');
  await op.page.getByRole('row', { name: /own\/model.*\$0\.15.*\$0\.60/ }).waitFor();
});

test('what was earned, what runs, what was done', async () => {
  await op.go('/admin/margin');
  await op.page.getByRole('row', { name: /sandbox\/echo/ }).waitFor();
  await op.page.getByRole('radio', { name: 'Customer' }).click();
  await op.page.getByRole('table', { name: 'Margin' }).getByRole('row').nth(1).waitFor();
  await op.go('/admin/jobs');
  await op.page.getByRole('link', { name: /mail/ }).first().click();
  await op.page.getByRole('heading', { name: 'Steps' }).waitFor();
  await op.check('job');
  await op.go('/admin/audit');
  await op.fill('Filter by action, such as key.create', 'key.create');
  await op.page.getByRole('button', { name: 'key.create' }).first().click();
  await op.dialog().getByText(ada.email).waitFor();
  await op.go('/admin/settings');
  await op.fill('Calls at the same time', '500');
  await op.click('Save');
  await op.sees('The limits are changed.');
  await op.page.reload();
  assert.equal(await op.page.getByLabel('Calls at the same time').inputValue(), '500');
});
