// A stranger becomes a customer: signs up, proves his address, makes a key, uses it, ends it; and what
// protects his account.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { Hub } from '../clients/lib/hub.mjs';
import { totp } from '../clients/lib/people.mjs';
import { open, Visitor } from './lib/visitor.mjs';

let all, hub;
before(async () => {
  hub = await Hub.start();
  all = await open({ config: ['[github]', 'client_id = hub', 'client_secret = PLANTED-hub-secret', `url = ${hub.url}`, `api_url = ${hub.url}/api`] });
});
after(async () => { await all?.close(); await hub?.stop(); });

const client = (key) => new OpenAI({ apiKey: key, baseURL: `${all.house.url}/v1`, maxRetries: 0 });
const say = (key) => client(key).chat.completions.create({ model: 'sandbox/echo', messages: [{ role: 'user', content: 'Hello there' }] });

test('sign up, verify by mail, make a key, use it, rotate it, revoke it', async () => {
  const ada = await Visitor.at(all);
  await ada.go('/');
  await ada.page.getByRole('link', { name: 'Begin with $10.00' }).click();
  await ada.heading('Create your account');
  await ada.comeIn();
  await ada.heading('Hello, Ada');
  await ada.sees('Create an API key');
  await ada.page.locator('[aria-label=Balance][data-state=good]').getByText('$10.00').waitFor();
  await ada.check('home');

  // The key is shown once, and works in the SDK.
  await ada.go('/keys?new=1');
  await ada.fill('Name', 'Laptop', ada.dialog());
  await ada.fill('Spending cap', '$2.50', ada.dialog());
  await ada.click('Create', ada.dialog());
  await ada.sees('Copy it now');
  const key = ada.house.keep(await ada.page.locator('[data-secret]').innerText());
  assert.match(key, /^tg_[0-9A-Za-z]{38}$/);
  await ada.check('the key, once');
  await ada.click('I have kept it');
  const answer = await say(key);
  assert.equal(answer.choices[0].message.content, 'Hello there');
  await ada.page.reload();
  const row = ada.page.getByRole('row', { name: /Laptop/ });
  await row.getByText('of $2.50').waitFor();
  assert.ok(!(await ada.page.content()).includes(key), 'the key is nowhere on the page');

  // The charge is there: in the table to the last digit, on the statement, in the CSV, off the balance.
  const cost = String(answer.usage.cost);
  await ada.go('/usage');
  const exact = `$${Number(cost).toFixed(9).replace(/0+$/, '')}`;
  await ada.page.getByRole('table', { name: 'Calls' }).getByText(exact).waitFor();
  await ada.page.locator('.recharts-bar-rectangle').first().waitFor();
  await ada.check('usage');
  const csv = await ada.page.request.get(`${all.house.url}${await ada.page.getByRole('link', { name: 'CSV' }).getAttribute('href')}`);
  assert.match(await csv.text(), /sandbox\/echo/);
  await ada.go('/billing');
  await ada.page.getByRole('table', { name: 'Statement' }).getByText(`−${exact}`).waitFor();
  await ada.page.getByRole('table', { name: 'Credit' }).getByText('of $10.00').waitFor();
  await ada.check('billing');
  await ada.go('/keys');

  // Rotated: the old one ends at once, the new one works.
  await row.getByRole('button', { name: 'Actions for Laptop' }).click();
  await ada.page.getByRole('menuitem', { name: 'Rotate' }).click();
  await ada.click('Rotate', ada.dialog());
  await ada.heading('Your new key');
  const second = ada.house.keep(await ada.page.locator('[data-secret]').innerText());
  await ada.click('I have kept it');
  await assert.rejects(say(key), (e) => e.status === 401);
  await say(second);

  // Revoked: refused from the next call on.
  await ada.page.getByRole('button', { name: 'Actions for Laptop' }).first().click();
  await ada.page.getByRole('menuitem', { name: 'Revoke' }).click();
  await ada.click('Revoke the key', ada.dialog());
  await ada.sees('The key is revoked.');
  await assert.rejects(say(second), (e) => e.status === 401);
  await ada.leave();
});

test('the playground streams an answer and says what it cost', async () => {
  const joan = await Visitor.at(all);
  await joan.comeIn();
  await joan.go('/models?q=echo');
  await joan.page.getByRole('row', { name: /sandbox\/echo/ }).getByRole('link', { name: 'Try' }).click();
  await joan.page.getByRole('button', { name: 'Model: sandbox/echo' }).waitFor();
  await joan.fill('Message', 'The quick brown fox');
  await joan.page.keyboard.press('Enter');
  const cost = await joan.page.locator('[data-cost]').getAttribute('data-cost');
  assert.match(cost, /^0\.0*[1-9]\d*$|e-\d+$/);
  assert.equal(await joan.page.getByRole('article', { name: 'Answer' }).locator('div').first().innerText(), 'The quick brown fox');
  await joan.check('playground');
  // Its key is not one to be managed.
  await joan.go('/keys?status=all');
  await joan.sees('None');
  await joan.go('/usage');
  await joan.page.getByRole('table', { name: 'Calls' }).getByText('Playground').waitFor();
  await joan.leave();
});

test('signing in: what is wrong is said, and says nothing about who is here', async () => {
  const bob = await Visitor.at(all);
  await bob.signUp();
  const told = async (email, password) => {
    await bob.go('/sign-in');
    await bob.fill('E-mail', email);
    await bob.fill('Password', password);
    await bob.click('Sign in');
    return bob.page.getByRole('alert').innerText();
  };
  const wrongPassword = await told(bob.email, 'not the password at all');
  assert.equal(await told('nobody@example.com', 'not the password at all'), wrongPassword);
  await bob.check('sign-in with an error');

  // A page of his own first asks who he is, then is there.
  await bob.go('/usage?days=30');
  await bob.page.waitForURL(/\/sign-in\?next=/);
  await bob.fill('E-mail', bob.email);
  await bob.fill('Password', bob.password);
  await bob.click('Sign in');
  await bob.page.waitForURL('**/usage?days=30');

  // Out again, and nothing of him is left.
  await bob.page.getByRole('button', { name: /Account:/ }).click();
  await bob.page.getByRole('menuitem', { name: 'Sign out' }).click();
  await bob.page.getByRole('link', { name: 'Sign in' }).first().waitFor();
  assert.ok(!(await bob.page.content()).includes(bob.email));

  // Elsewhere is nowhere to go after signing in.
  await bob.go('/sign-in?next=//evil.example/');
  await bob.fill('E-mail', bob.email);
  await bob.fill('Password', bob.password);
  await bob.click('Sign in');
  await bob.heading(/Home|Hello/);
  assert.equal(new URL(bob.page.url()).origin, bob.house.url);
  await bob.leave();
});

test('a forgotten password is reset by mail', async () => {
  const eve = await Visitor.at(all);
  await eve.signUp();
  await eve.go('/sign-in');
  await eve.page.getByRole('link', { name: 'Forgot it?' }).click();
  await eve.fill('E-mail', eve.email);
  await eve.click('Send the link');
  await eve.sees('Look into your inbox');
  const { token } = await eve.mail('/reset');
  eve.password = eve.house.keep('PLANTED another sentence for Eve');
  await eve.go(`/reset?token=${token}`);
  await eve.fill('New password', eve.password);
  await eve.click('Change the password');
  await eve.heading('Your password is changed');
  await eve.signIn();
  await eve.heading(/Home|Hello/);
  await eve.leave();
});

test('two-factor codes: turned on, asked for, replaced by a recovery code', async () => {
  const grace = await Visitor.at(all);
  await grace.signUp();
  await grace.signIn();
  await grace.heading(/Home|Hello/);
  await grace.go('/security');
  await grace.check('security');
  await grace.click('Turn on');
  await grace.fill('Your password', grace.password, grace.dialog());
  await grace.click('Continue', grace.dialog());
  const secret = grace.house.keep(await grace.page.locator('[data-totp-secret]').getAttribute('data-totp-secret'));
  assert.ok(await grace.page.getByAltText(/QR code/).evaluate((i) => i.complete && i.naturalWidth > 0), 'the picture is one');
  const used = Date.now();
  await grace.dialog().getByRole('textbox', { name: 'Code' }).fill(await totp(secret, used));
  await grace.click('Turn on', grace.dialog());
  await grace.heading('Keep your recovery codes');
  const codes = await grace.page.getByRole('list', { name: 'Recovery codes' }).getByRole('listitem').allInnerTexts();
  assert.equal(codes.length, 10);
  await grace.click('I have kept them');
  await grace.sees('On');

  const again = await Visitor.at(all, grace.email);
  again.password = grace.password;
  await again.signIn();
  await again.heading('Two-factor code');
  await again.fill('Code', '000000');
  await again.click('Sign in');
  await again.page.getByRole('alert').waitFor();
  await again.fill('Code', codes[0]);
  await again.click('Sign in');
  await again.heading(/Home|Hello/);

  // Both are listed; the other one is ended from here.
  await grace.go('/security');
  await grace.page.getByRole('row', { name: /This one/ }).waitFor();
  const others = grace.page.getByRole('button', { name: 'End', exact: true });
  for (let n = await others.count(); n > 0; n--) {
    await others.first().click();
    await others.nth(n - 1).waitFor({ state: 'detached' });
  }
  await again.go('/keys');
  await again.page.waitForURL(/\/sign-in/);
  await again.leave();
  await grace.leave();
});

test('another account is connected, lets one in, and is let go', async () => {
  const joan = await Visitor.at(all);
  await joan.comeIn();
  hub.user = { id: 42, login: 'joan', name: 'Joan' };
  hub.emails = [{ email: joan.email, verified: true, primary: true }];
  await joan.go('/security');
  await joan.sees('None is connected');
  await joan.page.getByRole('link', { name: 'Connect GitHub' }).click();
  const row = joan.page.getByRole('row', { name: /GitHub/ });
  await row.waitFor();
  assert.equal(await joan.page.getByRole('link', { name: 'Connect GitHub' }).count(), 0);
  await joan.check('security-connected');
  const again = await Visitor.at(all, joan.email);
  await again.go('/sign-in');
  await again.page.getByRole('link', { name: /GitHub/ }).click();
  await again.heading(/Home|Hello/);
  await row.getByRole('button', { name: 'Disconnect' }).click();
  await joan.fill('Your password', 'not that one', joan.dialog());
  await joan.click('Disconnect', joan.dialog());
  await joan.dialog().getByText('The password is wrong.').waitFor();
  await joan.fill('Your password', joan.password, joan.dialog());
  await joan.click('Disconnect', joan.dialog());
  await joan.sees('None is connected');
  await again.go('/keys');
  await again.page.waitForURL(/\/sign-in/);
  await again.leave();
  await joan.leave();
});

test('a device is let in, and its key is in the list', async () => {
  const alan = await Visitor.at(all);
  await alan.comeIn();
  const asked = await (await fetch(`${all.house.url}/api/auth/device`, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'client_id=tollgate&name=alans-terminal' })).json();
  await alan.go(new URL(asked.verification_uri_complete).pathname + new URL(asked.verification_uri_complete).search);
  await alan.heading('Sign this device in?');
  await alan.sees(asked.user_code);
  await alan.check('device');
  await alan.click('Sign in');
  await alan.heading('The device is signed in');
  const got = await (await fetch(`${all.house.url}/api/auth/token`, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: `grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=tollgate&device_code=${asked.device_code}` })).json();
  assert.match(all.house.keep(got.access_token), /^tg_/);
  await say(got.access_token);
  await alan.go('/keys');
  await alan.page.getByRole('row', { name: /alans-terminal/ }).waitFor();
  // A code that nobody gave out says so.
  await alan.go('/device?code=BCDF-GHJK');
  await alan.heading('This code does not work');
  await alan.leave();
});
