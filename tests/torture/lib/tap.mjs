// Test Anything Protocol, and folders that stay when something failed.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const LIMIT_S = Number(process.env.TORTURE_LIMIT ?? 900);

// What waits for an event that never comes fails.
function inTime(promise) {
  let timer;
  const over = new Promise((_, failed) => {
    timer = setTimeout(() => failed(new Error(`it did not come to its end within ${LIMIT_S} s`)), LIMIT_S * 1000);
  });
  return Promise.race([promise, over]).finally(() => clearTimeout(timer));
}

export class Tap {
  constructor() {
    this.n = 0;
    this.failed = 0;
    this.root = mkdtempSync(join(process.env.TORTURE_DIR ?? tmpdir(), 'tgtort.'));
  }

  say(text) {
    for (const line of String(text).split('\n')) console.log(`# ${line}`);
  }

  // Runs one test in a folder of its own.
  async test(name, fn) {
    const began = performance.now();
    const dir = join(this.root, String(this.n + 1));
    mkdirSync(dir);
    const cleanups = [];
    let told = '', bad = null;
    try {
      told = (await inTime(fn({ dir, cleanup: (f) => cleanups.push(f) }))) ?? '';
    } catch (e) {
      bad = e;
    }
    for (const f of cleanups.reverse())
      try { await f(); } catch (e) { bad ??= e; }
    const s = ((performance.now() - began) / 1000).toFixed(1);
    this.n++;
    if (bad?.skip) {
      console.log(`ok ${this.n} - ${name} # SKIP ${bad.skip}`);
    } else {
      console.log(`${bad ? 'not ok' : 'ok'} ${this.n} - ${name}${told ? `: ${told}` : ''} (${s} s)`);
      if (bad) {
        this.failed++;
        this.say(bad.early === undefined && !/findings/.test(bad.message) ? bad.stack : bad.message);
        this.say(`kept in ${dir}`);
        return;
      }
    }
    if (!process.env.TORTURE_KEEP) rmSync(dir, { recursive: true, force: true });
  }

  end() {
    console.log(`1..${this.n}`);
    if (!this.failed && !process.env.TORTURE_KEEP) rmSync(this.root, { recursive: true, force: true });
    return this.failed ? 1 : 0;
  }
}

export const skip = (why) => { throw Object.assign(new Error(why), { skip: why }); };
export const must = (truth, what) => { if (!truth) throw new Error(what); };
