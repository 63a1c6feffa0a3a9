// Somebody at a browser, before a house with the sandbox behind it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { House, until } from '../../clients/lib/house.mjs';
import { Person, QUICK } from '../../clients/lib/people.mjs';
import { startBrowser } from './browser.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// A house that mails, with its people's browser.
export async function open(options = {}) {
  const house = await House.start({ mail: true, ...options, config: [...QUICK, ...(options.config ?? [])] });
  await house.ok(['admin', 'price', 'sync', '--provider', 'main']);
  const browser = await startBrowser();
  return {
    house, browser,
    close: async () => {
      await browser.close();
      await house.stop();
    },
  };
}

export class Visitor extends Person {
  static async at({ house, browser }, email, options = {}) {
    const v = new Visitor(house, email);
    v.context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce', ...options });
    v.page = await v.context.newPage();
    v.page.setDefaultTimeout(15_000);
    v.wrong = [];
    v.page.on('pageerror', (e) => v.wrong.push(e.message));
    v.page.on('console', (m) => { if (/Content Security Policy|Uncaught/i.test(m.text())) v.wrong.push(m.text()); });
    v.asked = new Map(); // what is under way, and since when
    v.page.on('request', (r) => {
      if (r.isNavigationRequest()) v.asked.clear(); // of the page before
      if (r.url().startsWith('http')) v.asked.set(r, Date.now());
    });
    for (const end of ['requestfinished', 'requestfailed']) v.page.on(end, (r) => { v.asked.delete(r); v.last = Date.now(); });
    return v;
  }

  // Nothing is asked for any more, nor has been for as long as a page takes to ask for its next.
  async quiet() {
    await this.page.locator('h1').first().waitFor({ state: 'attached' });
    // (A request that a page began as it was left has no end that is told.)
    await until('the page to be quiet', () => Date.now() - (this.last ?? 0) > 120 && [...this.asked.values()].every((since) => Date.now() - since > 3000));
  }

  go = (path) => this.page.goto(this.house.url + path);
  click = (name, within = this.page) => within.getByRole('button', { name, exact: true }).click();
  fill = (label, text, within = this.page) => within.getByRole('textbox', { name: label }).or(within.getByLabel(label, { exact: true })).first().fill(text);
  sees = (text) => this.page.getByText(text).first().waitFor();
  dialog = () => this.page.getByRole('dialog');
  // Behind a dialog the page is hidden from roles, whatever is on it: so first that one goes.
  gone = async (locator) => {
    await this.dialog().waitFor({ state: 'detached' });
    await locator.waitFor({ state: 'detached' });
  };
  heading = (name) => this.page.getByRole('heading', { name }).first().waitFor();

  // From the landing page to being in, as a stranger does it.
  async comeIn(path = '/sign-up') {
    await this.go(path);
    await this.fill('Name', 'Ada Lovelace');
    await this.fill('E-mail', this.email);
    await this.fill('Password', this.password);
    await this.click('Create the account');
    await this.sees('Look into your inbox');
    const { token } = await this.mail('/verify');
    await this.go(`/verify?token=${token}`);
    await this.heading('Your address is verified');
    await this.page.getByRole('link', { name: 'Continue' }).click();
    return this;
  }

  async signIn() {
    await this.go('/sign-in');
    await this.fill('E-mail', this.email);
    await this.fill('Password', this.password);
    await this.click('Sign in');
  }

  // What axe-core finds on the page as it stands.
  async check(what) {
    await this.quiet();
    await this.page.evaluate(axe);
    const found = await this.page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
    assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`), [], what);
  }

  async leave() {
    assert.deepEqual(this.wrong, []);
    await this.context.close();
  }
}
