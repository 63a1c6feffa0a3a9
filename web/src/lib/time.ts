const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const short = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });
const monthDay = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', timeZone: 'UTC' });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto', style: 'short' });

export const date = (at: string) => day.format(new Date(at));
export const dateTime = (at: string) => full.format(new Date(at));
export const shortTime = (at: string) => short.format(new Date(at));
// Of a bucket that begins at midnight UTC.
export const bucketDay = (at: string) => monthDay.format(new Date(at));

export function ago(at: string, now = Date.now()): string {
  const s = (new Date(at).getTime() - now) / 1000;
  const steps: [number, Intl.RelativeTimeFormatUnit][] = [[60, 'second'], [3600, 'minute'], [86400, 'hour'], [86400 * 30, 'day'], [86400 * 365, 'month']];
  let unit = 1;
  for (const [limit, name] of steps) {
    if (Math.abs(s) < limit) return Math.abs(s) < 45 && name === 'second' ? (s > 0 ? 'in a moment' : 'just now') : relative.format(Math.round(s / unit), name);
    unit = limit;
  }
  return relative.format(Math.round(s / (86400 * 365)), 'year');
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

export const count = (n: number) => n.toLocaleString('en-US');
export function countShort(n: number): string {
  if (n < 10_000) return count(n);
  const [v, unit] = n < 1e6 ? [n / 1e3, 'k'] : n < 1e9 ? [n / 1e6, 'M'] : [n / 1e9, 'B'];
  return `${v.toFixed(v < 10 ? 2 : 1).replace(/\.?0+$/, '')}${unit}`;
}

// Midnight UTC, `back` days before today; times on the wire are UTC.
export function daysAgo(back: number): string {
  const d = new Date();
  d.setUTCHours(0, 0, 0, 0);
  d.setUTCDate(d.getUTCDate() - back);
  return d.toISOString();
}
