// Every page of who is in, on a phone: nothing fails to load, nothing is wider than the window, and a
// screen reader finds its way.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../clients/lib/house.mjs';
import { open, Visitor } from './lib/visitor.mjs';

let all;
before(async () => { all = await open(); });
after(async () => { await all?.close(); });

const pages = readFileSync(join(root, 'web/pages.txt'), 'utf8').split('# signed in')[1].split('\n').filter((l) => l.startsWith('/') && !l.includes(':'));

test('every page loads, fits a phone, and is named', async () => {
  const op = await Visitor.at(all, 'operator@example.com', { viewport: { width: 390, height: 844 }, colorScheme: 'dark' });
  const token = op.house.keep(/\/setup\?token=([0-9A-Za-z]+)/.exec(all.house.child.out())[1]);
  await op.go(`/setup?token=${token}`);
  await op.fill('E-mail', op.email);
  await op.fill('Password', op.password);
  await op.click('Create the operator');
  await op.page.waitForURL('**/admin');
  const failed = [];
  op.page.on('response', (r) => { if (r.status() >= 400) failed.push(`${r.status()} ${new URL(r.url()).pathname}`); });
  for (const path of ['/', ...pages]) {
    await op.go(path);
    await op.quiet();
    assert.deepEqual(failed, [], path);
    assert.equal(await op.page.getByRole('heading', { level: 1 }).count(), 1, `${path} has one title`);
    assert.notEqual(await op.page.title(), 'Tollgate', `${path} is named`);
    assert.ok(await op.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${path} fits`);
    await op.check(path);
  }
  await op.leave();
});

test('by keyboard: the palette, the letters, the way past the menu', async () => {
  const ada = await Visitor.at(all);
  await ada.comeIn();
  await ada.heading('Hello, Ada');
  await ada.page.keyboard.press('Control+k');
  await ada.page.getByPlaceholder(/A page/).fill('billing');
  await ada.page.keyboard.press('Enter');
  await ada.heading('Billing');
  await ada.page.keyboard.press('g');
  await ada.page.keyboard.press('m');
  await ada.heading('Models');
  await ada.page.keyboard.press('/');
  assert.equal(await ada.page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'Search models');
  await ada.page.keyboard.press('Escape');
  await ada.page.evaluate(() => document.activeElement.blur());
  await ada.page.keyboard.press('?');
  await ada.page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
  await ada.page.keyboard.press('Escape');
  // What was chosen stays, and nothing flashes by in the other theme.
  await ada.page.getByRole('button', { name: /^Theme/ }).click();
  await ada.page.getByRole('button', { name: /^Theme: light/ }).click();
  await ada.page.reload();
  assert.ok(await ada.page.evaluate(() => document.documentElement.classList.contains('dark')));
  await ada.leave();
});
