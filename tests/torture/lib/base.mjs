// Seeded luck, waiting for events, and programs run to their end.
import { execFile } from 'node:child_process';
import { once } from 'node:events';

// A generator of numbers in [0, 1) from a text, the same on every machine (mulberry32).
export function luck(text) {
  let a = 2166136261;
  for (const c of text) a = Math.imul(a ^ c.charCodeAt(0), 16777619);
  const next = () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = (n) => Math.floor(next() * n);
  return {
    next,
    below,
    between: (low, high) => low + below(high - low + 1),
    chance: (p) => next() < p,
    pick: (list) => list[below(list.length)],
    // Of rows with a `weight`, one.
    draw: (rows) => {
      let at = next() * rows.reduce((sum, row) => sum + row.weight, 0);
      return rows.find((row) => (at -= row.weight) < 0) ?? rows[0];
    },
  };
}

// Polls what nobody announces; fails with `what` after `ms`.
export async function until(what, ms, look) {
  const end = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms`);
    await pause(5);
  }
}

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Runs a program to its end: { code, signal, out, err }.
export function execute(program, args, options = {}) {
  return new Promise((done) => {
    const child = execFile(
      program,
      args,
      { maxBuffer: 1 << 30, timeout: 60000, killSignal: 'SIGKILL', ...options },
      (error, out, err) =>
        done({ code: child.exitCode, signal: child.signalCode, out: String(out), err: String(err) }),
    );
    child.stdin.on('error', () => {}); // it may end without reading
    child.stdin.end(options.input ?? '');
  });
}

// The end of a child: { code, signal }, also when it is over already.
export async function ended(child) {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return { code: child.exitCode, signal: child.signalCode };
}

// "0.00012" to the integer number of 10^-places of it; digits beyond are rounded up.
export function decimal(text, places) {
  const m = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(String(text));
  if (!m) throw new Error(`'${text}' is no decimal number`);
  const shift = Number(m[4] ?? 0) + places;
  let digits = m[2] + (m[3] ?? '');
  const point = m[2].length + shift;
  digits = digits.padEnd(Math.max(point, 0), '0');
  const whole = BigInt(digits.slice(0, Math.max(point, 0)) || '0');
  const beyond = point < 0 ? digits : digits.slice(point);
  return (m[1] ? -1n : 1n) * (whole + (/[1-9]/.test(beyond) ? 1n : 0n));
}

export const nano = (text) => decimal(text, 9);
export const usd = (n) => {
  const a = n < 0n ? -n : n;
  return `${n < 0n ? '-' : ''}${a / 1000000000n}.${String(a % 1000000000n).padStart(9, '0')}`;
};

// A JSON text with its numbers as they are written, since a money number must not become a double.
export const exactMember = (text, name) => new RegExp(`"${name}":\\s*"?(-?[0-9.eE+-]+)"?`).exec(text)?.[1];

const base32 = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
// "req_01J…" to "\x…" as the database shows it.
export function idBytes(text) {
  let n = 0n;
  for (const c of text.slice(text.indexOf('_') + 1)) n = n * 32n + BigInt(base32.indexOf(c));
  return `\\x${n.toString(16).padStart(32, '0')}`;
}
