// Two people and one wallet: an invitation by mail, roles, a cap that is hit, a team that goes on.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { open, Visitor } from './lib/visitor.mjs';

let all;
before(async () => { all = await open(); });
after(async () => { await all?.close(); });

const say = (key, text = 'Hello there') => new OpenAI({ apiKey: key, baseURL: `${all.house.url}/v1`, maxRetries: 0 })
  .chat.completions.create({ model: 'sandbox/echo', messages: [{ role: 'user', content: text }] });

async function makeKey(v, name) {
  await v.go('/keys?new=1');
  await v.fill('Name', name, v.dialog());
  await v.click('Create', v.dialog());
  await v.sees('Copy it now');
  const key = v.house.keep(await v.page.locator('[data-secret]').innerText());
  await v.click('I have kept it');
  return key;
}

test('invite, join, hit the cap, be let go', async () => {
  const ada = await Visitor.at(all);
  await ada.comeIn();
  await ada.go('/team');
  await ada.click('Invite');
  const bob = await Visitor.at(all);
  await ada.fill('E-mail', bob.email, ada.dialog());
  await ada.click('Send the invitation', ada.dialog());
  await ada.sees(`${bob.email} is invited.`);
  await ada.page.getByRole('tab', { name: 'Invitations' }).click();
  await ada.page.getByRole('row', { name: new RegExp(bob.email) }).getByText('pending').waitFor();
  await ada.check('invitations');

  // Bob comes by the link, makes an account on the way, and ends up in the team.
  const { token } = await bob.mail('/invitation');
  await bob.go(`/invitation?token=${token}`);
  await bob.heading(/^Join /);
  await bob.sees(bob.email);
  await bob.check('invitation');
  await bob.page.getByRole('link', { name: 'Create an account' }).click();
  await bob.fill('Password', bob.password);
  assert.equal(await bob.page.getByLabel('E-mail').inputValue(), bob.email);
  await bob.click('Create the account');
  await bob.sees('Look into your inbox');
  const verify = await bob.mail('/verify');
  await bob.go(`/verify?token=${verify.token}`);
  await bob.heading('Your address is verified');
  const team = (await (await ada.page.request.get(`${all.house.url}/api/me`)).json()).team;
  const mine = () => bob.page.evaluate(async () => (await (await fetch('/api/me')).json()));
  if (!(await mine()).teams.some((t) => t.id === team.id)) {
    await bob.go(`/invitation?token=${token}`);
    await bob.click('Join the team');
  }
  await bob.go('/');
  const here = await mine();
  assert.ok(here.teams.some((t) => t.id === team.id), JSON.stringify(here.teams));
  if (here.team.id !== team.id) {
    await bob.page.getByRole('button', { name: /Team:/ }).click();
    await bob.page.getByRole('menuitem', { name: team.name, exact: true }).first().click();
    await bob.page.waitForFunction(async (id) => (await (await fetch('/api/me')).json()).team.id === id, team.id);
  }

  // He may spend $0.000002 of it, and no more.
  await ada.go('/team');
  await ada.page.getByRole('button', { name: `Actions for ${bob.email}` }).click();
  await ada.page.getByRole('menuitem', { name: 'Spending cap' }).click();
  await ada.fill('Cap in US dollars', '0.0001', ada.dialog());
  await ada.click('Save', ada.dialog());
  await ada.sees('The cap is changed.');
  await ada.page.getByRole('row', { name: new RegExp(bob.email) }).getByText('of $0.0001').waitFor();
  const key = await makeKey(bob, 'Bobs');
  await assert.rejects(say(key, 'x'.repeat(4000)), (e) => e.status === 403 && e.code === 'spend_cap_reached');
  await ada.page.getByRole('button', { name: `Actions for ${bob.email}` }).click();
  await ada.page.getByRole('menuitem', { name: 'Spending cap' }).click();
  await ada.fill('Cap in US dollars', '1', ada.dialog());
  await ada.click('Save', ada.dialog());
  await ada.page.getByRole('row', { name: new RegExp(bob.email) }).getByText('of $1.00').waitFor();
  await say(key);

  // A viewer looks: he is offered nothing that he may not.
  const role = async (name) => {
    await ada.page.getByRole('combobox', { name: `Role of ${bob.email}` }).click();
    await ada.page.getByRole('option', { name: new RegExp(`^${name}`) }).click();
    await ada.sees(`is ${name.toLowerCase()} now.`);
  };
  await role('Viewer');
  await bob.go('/keys');
  await bob.heading('API keys');
  await bob.quiet();
  assert.equal(await bob.page.getByRole('button', { name: 'Create a key' }).count(), 0);
  await bob.go('/playground');
  await bob.sees('Your role only looks');
  assert.equal(await bob.page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Webhooks' }).count(), 0);
  await bob.go('/billing');
  await bob.quiet();
  for (const name of ['Redeem a code', 'Top up', 'Change']) assert.equal(await bob.page.getByRole('button', { name, exact: true }).count(), 0, name);
  await role('Developer');

  // What a developer may not, he is not offered.
  await bob.go('/team');
  await bob.sees(ada.email);
  assert.equal(await bob.page.getByRole('button', { name: 'Invite' }).count(), 0);

  // Let go: his key in the team ends with him.
  await ada.page.getByRole('button', { name: `Actions for ${bob.email}` }).click();
  await ada.page.getByRole('menuitem', { name: 'Remove' }).click();
  await ada.click('Remove', ada.dialog());
  await ada.gone(ada.page.getByRole('row', { name: new RegExp(bob.email) }));
  await assert.rejects(say(key), (e) => e.status === 401);
  await ada.page.getByRole('tab', { name: 'Audit log' }).click();
  await ada.page.getByRole('row').nth(3).waitFor();
  await ada.check('audit');
  await bob.leave();
  await ada.leave();
});

test('a second team: made, renamed, deleted', async () => {
  const eve = await Visitor.at(all);
  await eve.comeIn();
  await eve.page.getByRole('button', { name: /Team:/ }).click();
  await eve.page.getByRole('menuitem', { name: 'New team' }).click();
  await eve.fill('Name', 'Research & <b>bold</b>', eve.dialog());
  await eve.click('Create the team', eve.dialog());
  await eve.heading('Research & <b>bold</b>');
  await eve.page.getByRole('tab', { name: 'Settings' }).click();
  await eve.fill('Team name', 'Research');
  await eve.click('Save');
  await eve.heading(/^Research$/);
  await eve.click('Delete Research');
  await eve.fill('Type Research to confirm', 'Research', eve.dialog());
  await eve.click('Delete the team', eve.dialog());
  await eve.sees('The team is gone.');
  await eve.page.getByRole('button', { name: /Team:/ }).click();
  assert.equal(await eve.page.getByRole('menuitem', { name: 'Research' }).count(), 0);
  await eve.leave();
});
