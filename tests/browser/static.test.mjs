// What the binary serves of the console: the weight of the first load, caching, and that all of it came
// from the binary itself.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { join } from 'node:path';
import { House, root } from '../clients/lib/house.mjs';
import { startBrowser } from './lib/browser.mjs';

let house, browser;
before(async () => {
  house = await House.start();
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await house?.stop();
});

// fetch() would unpack what is counted here.
function get(path, headers = {}) {
  return new Promise((done, failed) => {
    request(house.url + path, { headers }, (r) => {
      const parts = [];
      r.on('data', (d) => parts.push(d));
      r.on('end', () => done({ status: r.statusCode, headers: r.headers, bytes: Buffer.concat(parts).length }));
    }).on('error', failed).end();
  });
}

test('the landing page comes from here alone, and weighs under 250 kB', async () => {
  const page = await browser.newPage();
  const asked = [], wrong = [];
  page.on('request', (r) => asked.push(r.url()));
  page.on('pageerror', (e) => wrong.push(e.message));
  page.on('console', (m) => { if (/Content Security Policy/i.test(m.text())) wrong.push(m.text()); });
  await page.goto(house.url);
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.getByRole('heading', { name: 'Prices' }).waitFor();
  await page.waitForLoadState('networkidle');
  assert.deepEqual(wrong, []);
  assert.deepEqual(asked.filter((u) => !u.startsWith(house.url) && !u.startsWith('data:')), []);
  let bytes = 0;
  for (const url of new Set(asked.map((u) => u.slice(house.url.length))))
    if (!/^\/(api|v1)\//.test(url)) bytes += (await get(url, { 'accept-encoding': 'gzip', accept: 'text/html,*/*' })).bytes;
  assert.ok(bytes > 50_000 && bytes < 250_000, `${bytes} bytes`);
  console.log(`# first load: ${bytes} bytes`);
  await page.close();
});

test('files with a hash are kept for ever, the page is asked about again', async () => {
  const html = await (await fetch(house.url)).text();
  const script = /src="(\/assets\/[^"]+\.js)"/.exec(html)[1];
  const js = await get(script, { 'accept-encoding': 'gzip' });
  assert.equal(js.headers['cache-control'], 'public, max-age=31536000, immutable');
  assert.equal(js.headers['content-encoding'], 'gzip');
  assert.ok((await get(script)).bytes > 2 * js.bytes);
  const page = await get('/keys', { accept: 'text/html' });
  assert.equal(page.headers['cache-control'], 'no-cache');
  const again = await get('/keys', { accept: 'text/html', 'if-none-match': page.headers.etag });
  assert.equal(again.status, 304);
  assert.equal(again.bytes, 0);
});

test('every page of the list answers, and every page of the app is in the list', async () => {
  const pages = readFileSync(join(root, 'web/pages.txt'), 'utf8').split('\n').filter((l) => l.startsWith('/'));
  const app = readFileSync(join(root, 'web/src/app.tsx'), 'utf8');
  const known = new Set([...app.matchAll(/'(\/[^'@*]*)': (?:lazy|[A-Z])/g)].map((m) => m[1]).concat('/device'));
  assert.deepEqual([...known].sort(), [...pages].sort());
  for (const page of pages) assert.equal((await get(page.replace(/:\w+/g, 'x'), { accept: 'text/html' })).status, 200, page);
  assert.equal((await get('/no/such/page', { accept: 'text/html' })).status, 404);
});
