// Money is a decimal string from the wire to the screen: digits are moved and grouped, never counted
// in binary floating point. Charts alone use numbers.

interface Decimal { n: bigint; scale: number }

function parse(text: string): Decimal {
  const m = /^(-?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text.trim());
  if (!m || (!m[2] && !m[3])) throw new RangeError(`not a decimal: ${text}`);
  const fraction = m[3] ?? '';
  let n = BigInt((m[2] ?? '') + fraction);
  let scale = fraction.length - Number(m[4] ?? 0);
  if (scale < 0) { n *= 10n ** BigInt(-scale); scale = 0; }
  return { n: m[1] ? -n : n, scale };
}

function rescale(d: Decimal, scale: number): bigint {
  return d.n * 10n ** BigInt(scale - d.scale);
}

function text({ n, scale }: Decimal): string {
  const digits = (n < 0n ? -n : n).toString().padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, '');
  return (n < 0n ? '-' : '') + whole + (fraction ? `.${fraction}` : '');
}

export function isDecimal(s: string): boolean {
  try { parse(s); return true; } catch { return false; }
}

export function compare(a: string, b: string): number {
  const x = parse(a), y = parse(b), scale = Math.max(x.scale, y.scale);
  const d = rescale(x, scale) - rescale(y, scale);
  return d < 0n ? -1 : d > 0n ? 1 : 0;
}

export function sum(all: readonly string[]): string {
  return text(all.map(parse).reduce((a, b) => {
    const scale = Math.max(a.scale, b.scale);
    return { n: rescale(a, scale) + rescale(b, scale), scale };
  }, { n: 0n, scale: 0 }));
}

// The decimal point moved to the right: what one token costs, for a million of them.
export function shift(s: string, places: number): string {
  const d = parse(s);
  return text(d.scale >= places ? { n: d.n, scale: d.scale - places } : { n: rescale(d, places), scale: 0 });
}

// "$1,234.50": every digit that there is, and at least two behind the point.
export function usd(s: string): string {
  const plain = text(parse(s));
  const negative = plain.startsWith('-');
  const [whole = '0', fraction = ''] = plain.replace('-', '').split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return `${negative ? '−' : ''}$${grouped}.${fraction.padEnd(2, '0')}`;
}

// The same with a sign in front of what comes in, for statements.
export function usdSigned(s: string): string {
  return parse(s).n > 0n ? `+${usd(s)}` : usd(s);
}

// In cents, for large figures on cards, whose exact value is in a title: rounded half away from zero, or
// down, for what there is to spend. What is less than a cent is shown as it is.
export function usdRounded(s: string, down = false): string {
  const d = parse(s);
  if (d.scale <= 2) return usd(s);
  const unit = 10n ** BigInt(d.scale - 2), half = down ? 0n : unit / 2n;
  const cents = d.n < 0n ? -((-d.n + (down ? unit - 1n : half)) / unit) : (d.n + half) / unit;
  if (cents === 0n) return usd(s);
  return usd(text({ n: cents, scale: 2 }));
}

export const perMillion = (perToken: string) => usd(shift(perToken, 6));

// How full, in percent, for a bar's width.
export function percentOf(part: string, whole: string): number {
  const p = parse(part), w = parse(whole), scale = Math.max(p.scale, w.scale);
  const all = rescale(w, scale);
  return all <= 0n ? 100 : Math.min(100, Math.max(0, Number((rescale(p, scale) * 1000n) / all) / 10));
}

// What somebody typed into an amount field: "$1,000.50" is 1000.50.
export function typedAmount(s: string): string | null {
  const plain = s.replace(/[$\s,]/g, '');
  return /^-?\d+(\.\d{1,9})?$/.test(plain) ? plain : null;
}
