// A picture of every page, light and dark, wide and phone: node screenshots.mjs DIST OUT [PATTERN]
// They show a house that has been busy for weeks, which lib/mock.mjs plays; the journeys beside this
// file are what tries the real one.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startBrowser } from './lib/browser.mjs';
import { fixture, startMock } from './lib/mock.mjs';

const [dist, out, pattern = '.'] = process.argv.slice(2);
const wanted = new RegExp(pattern);
const dialog = (p) => p.getByRole('dialog');
const click = (p, name, within = p) => within.getByRole('button', { name, exact: true }).first().click();

// name: [path, what to do there]
const outside = {
  landing: ['/'], 'sign-in': ['/sign-in'], 'sign-up': ['/sign-up'], forgot: ['/forgot'], reset: ['/reset?token=x'], invitation: ['/invitation?token=x'], 'not-found': ['/nowhere'],
  'sign-in-code': ['/sign-in', async (p) => {
    await p.getByLabel('E-mail').fill('ada@example.com');
    await p.getByLabel('Password', { exact: true }).fill('a sentence of hers');
    await click(p, 'Sign in');
    await p.getByRole('heading', { name: 'Two-factor code' }).waitFor();
  }],
};
const inside = {
  home: ['/'], keys: ['/keys?status=all'], usage: ['/usage?days=30'], billing: ['/billing'], models: ['/models'], quickstart: ['/quickstart?in=python'], team: ['/team'], 'team-invitations': ['/team?tab=invitations'],
  'team-audit': ['/team?tab=audit'], 'team-settings': ['/team?tab=settings'], settings: ['/settings'], security: ['/security'], device: [`/device?code=${fixture.code}`], 'not-found-inside': ['/admin/nowhere'],
  webhooks: ['/webhooks'], webhook: [`/webhooks/${fixture.endpoints[1].id}`],
  'webhook-new': ['/webhooks', async (p) => { await click(p, 'Add an endpoint'); await p.getByRole('switch', { name: /Everything/ }).click(); }],
  'webhook-secret': ['/webhooks', async (p) => { await click(p, 'Add an endpoint'); await p.getByLabel('Address').fill('https://example.com/hooks'); await click(p, 'Add', dialog(p)); await p.getByText('Copy it now').waitFor(); }],
  'webhook-delivery': [`/webhooks/${fixture.endpoints[1].id}`, async (p) => { await click(p, 'balance.low'); await dialog(p).getByText('Attempts').waitFor(); }],
  'billing-payments': ['/billing?tab=payments'], 'billing-paid': ['/billing?session_id=cs_1'], 'billing-waiting': ['/billing?session_id=cs_wait'], 'billing-canceled': [`/billing?canceled=${fixture.payments[1].id}`],
  topup: ['/billing?topup=1', (p) => dialog(p).waitFor()],
  'topup-other': ['/billing?topup=1', async (p) => { await p.getByRole('radio', { name: 'Other' }).click(); await p.getByLabel('Amount in US dollars').fill('3'); await click(p, 'Continue to the payment'); await p.getByText(/It must be an amount/).waitFor(); }],
  'auto-topup': ['/billing', async (p) => { await p.locator('section', { hasText: 'Automatic top-up' }).getByRole('button', { name: 'Edit' }).click(); await dialog(p).waitFor(); }],
  'billing-details': ['/billing?tab=payments', async (p) => { await click(p, 'Edit'); await dialog(p).waitFor(); }],
  'admin-payments': ['/admin/payments'], 'admin-payment': [`/admin/payments/${fixture.payments[4].id}`], 'admin-events': ['/admin/payments?tab=events'], 'admin-reconciliation': ['/admin/payments?tab=reconciliation'],
  'admin-refund': [`/admin/payments/${fixture.payments[2].id}`, async (p) => { await click(p, 'Refund'); await dialog(p).waitFor(); }],
  'admin-release': [`/admin/payments/${fixture.payments[4].id}`, async (p) => { await click(p, 'Give back'); await dialog(p).waitFor(); }],
  'plan-change': ['/billing', async (p) => { await click(p, 'Change the plan'); await dialog(p).getByText('Your plan').waitFor(); }],
  'plan-now': ['/billing', async (p) => { await click(p, 'Change the plan'); await click(p, 'Choose Scale'); await dialog(p).getByText('is charged now').waitFor(); await click(p, 'Pay $66.00 and change'); await dialog(p).getByText('Nothing was changed').waitFor(); }],
  'plan-later': ['/billing', async (p) => { await click(p, 'Change the plan'); await click(p, 'Choose Basic'); await dialog(p).getByText('Nothing is charged now').waitFor(); }],
  'plan-cancel': ['/billing', async (p) => { await click(p, 'More about the subscription'); await p.getByRole('menuitem', { name: 'Cancel the subscription' }).click(); await dialog(p).waitFor(); }],
  'admin-plans': ['/admin/plans'], 'admin-subscriptions': ['/admin/plans?tab=subscriptions'], 'admin-subscription': [`/admin/subscriptions/${fixture.subscriptions[0].id}`],
  'admin-plan-new': ['/admin/plans', async (p) => { await click(p, 'Make a plan'); await dialog(p).waitFor(); }],
  'admin-subscription-end': [`/admin/subscriptions/${fixture.subscriptions[0].id}`, async (p) => { await click(p, 'Cancel it'); await dialog(p).waitFor(); }],
  redeem: ['/billing', async (p) => { await click(p, 'Redeem a code'); await dialog(p).waitFor(); }],
  alerts: ['/billing', async (p) => { await click(p, 'Change'); await dialog(p).waitFor(); }],
  'admin-codes': ['/admin/codes'],
  'admin-code': ['/admin/codes', async (p) => { await click(p, 'Launch day'); await dialog(p).getByRole('table').waitFor(); }],
  'admin-code-new': ['/admin/codes', async (p) => { await click(p, 'Make codes'); await dialog(p).waitFor(); }],
  'key-new': ['/keys?new=1', (p) => dialog(p).waitFor()],
  'key-shown': ['/keys?new=1', async (p) => { await p.getByLabel('Name').fill('Laptop'); await click(p, 'Create', dialog(p)); await p.getByText('Copy it now').waitFor(); }],
  palette: ['/', async (p) => { await p.keyboard.press('Control+k'); await p.getByPlaceholder(/A page/).fill('cl'); await dialog(p).getByText('anthropic/claude').first().waitFor(); }],
  playground: ['/playground', async (p) => {
    await p.getByLabel('Message').fill('In one sentence: what is a toll gate?');
    await click(p, 'Send');
    await p.locator('[data-cost]').waitFor();
  }],
  totp: ['/security', async (p) => { await click(p, 'Turn on'); await p.getByLabel('Your password').fill('a sentence of hers'); await click(p, 'Continue', dialog(p)); await p.getByAltText(/QR/).waitFor(); }],
  'admin-overview': ['/admin'], 'admin-customers': ['/admin/customers'], 'admin-customer': [`/admin/customers/${fixture.customers[0].user.id}`], 'admin-providers': ['/admin/providers'], 'admin-prices': ['/admin/pricing'],
  'admin-rules': ['/admin/pricing?tab=rules'], 'admin-margin': ['/admin/margin'], 'admin-upstream-keys': ['/admin/upstream-keys'], 'admin-jobs': ['/admin/jobs'], 'admin-job': [`/admin/jobs/${fixture.jobs[1].id}`],
  'admin-audit': ['/admin/audit'], 'admin-settings': ['/admin/settings'],
  'admin-dry-run': ['/admin/pricing?tab=rules', async (p) => { await click(p, 'Add a rule'); await click(p, 'Dry run'); await p.getByText('Would be charged').waitFor(); }],
  'admin-credit': [`/admin/customers/${fixture.customers[0].user.id}`, async (p) => { await click(p, 'Give credit'); await dialog(p).waitFor(); }],
};
const fresh = { 'home-empty': ['/'], 'keys-empty': ['/keys'], 'usage-empty': ['/usage'], 'billing-empty': ['/billing'], 'webhooks-empty': ['/webhooks'], 'admin-codes-empty': ['/admin/codes'], 'billing-payments-empty': ['/billing?tab=payments'], 'admin-payments-empty': ['/admin/payments'], 'admin-plans-empty': ['/admin/plans'] };
const planned = (plan, pages) => [{ in: true, plan }, pages];
const poor = { 'home-low': ['/'], 'billing-low': ['/billing'] };
const first = { setup: ['/setup?token=x'] };
const sets = [[{ in: false, askTotp: true }, outside], [{ in: true }, inside], [{ in: true, fresh: true, balance: '10' }, fresh], [{ in: true, balance: '0.37', state: 'very_low' }, poor], [{ in: false, setup: true }, first],
  planned('past_due', { 'home-past-due': ['/'], 'billing-past-due': ['/billing'] }), planned('trialing', { 'billing-trial': ['/billing'] }), planned('ending', { 'billing-ending': ['/billing'] }),
  planned('next', { 'billing-next': ['/billing'] }), planned('pending', { 'billing-pending': ['/billing'] })];

mkdirSync(out, { recursive: true });
const browser = await startBrowser();
let taken = 0;
const wrong = [];
for (const [size, viewport] of [['wide', { width: 1366, height: 860 }], ['phone', { width: 390, height: 844 }]])
  for (const colorScheme of ['light', 'dark'])
    for (const [state, pages] of sets) {
      const house = await startMock(dist, state);
      const context = await browser.newContext({ viewport, colorScheme, reducedMotion: 'reduce' });
      const page = await context.newPage();
      let name = '';
      page.on('pageerror', (e) => wrong.push(`${name}: ${e.message}`));
      for (const [title, [path, act]] of Object.entries(pages)) {
        name = `${title}-${size}-${colorScheme}`;
        if (!wanted.test(name)) continue;
        await page.setViewportSize(viewport);
        await page.goto(house.url + path);
        await page.waitForLoadState('networkidle');
        await act?.(page);
        // As high as the page, so that what is fixed to the window's edges stays at its edges.
        const { wide, high } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth - innerWidth, high: document.documentElement.scrollHeight }));
        if (wide > 0) wrong.push(`${name}: ${wide} pixels too wide`);
        if (!act) await page.setViewportSize({ width: viewport.width, height: Math.max(high, viewport.height) });
        await page.waitForTimeout(120); // charts measure themselves after the window has changed
        await page.screenshot({ path: join(out, `${name}.png`) });
        taken++;
      }
      await context.close();
      house.stop();
    }
await browser.close();
console.log(`${taken} pictures in ${out}`);
if (wrong.length > 0) {
  console.error(wrong.join('\n'));
  process.exitCode = 1;
}
