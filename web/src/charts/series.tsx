// Stacked columns over time, by model, key or member. Numbers are only drawn here, never counted with.
import { useMemo, useState } from 'react';
import { Bar, BarChart, CartesianGrid, ResponsiveContainer, Tooltip, XAxis, YAxis } from 'recharts';
import { sum, usd, usdRounded } from '@/lib/money';
import { useIsDark } from '@/lib/theme';
import { bucketDay, count, countShort } from '@/lib/time';
import type { Point, Series } from '@/lib/types';
import { darkColors, lightColors } from './colors';

export type Measure = 'cost' | 'requests' | 'tokens';
const valueOf = (p: Point, m: Measure) => (m === 'cost' ? Number(p.cost) : m === 'requests' ? p.requests : p.input_tokens + p.output_tokens);
const MOST = 7;

const hour = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const whole = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });

// Every bucket of the period, also those in which nothing happened.
function buckets({ start, end, bucket }: Series): string[] {
  const step = bucket === 'hour' ? 3_600_000 : 86_400_000;
  const all: string[] = [];
  for (let t = Math.floor(Date.parse(start) / step) * step; t < Date.parse(end) && all.length < 800; t += step) all.push(new Date(t).toISOString());
  return all;
}

function arrange(series: Series, measure: Measure) {
  const totals = new Map<string, number>();
  for (const p of series.points) totals.set(p.group, (totals.get(p.group) ?? 0) + valueOf(p, measure));
  const order = [...totals].sort((a, b) => b[1] - a[1]).map(([id]) => id);
  const top = order.slice(0, order.length > MOST + 1 ? MOST : MOST + 1);
  const place = new Map(order.map((id) => [id, top.includes(id) ? top.indexOf(id) : top.length]));
  const names = top.map((id) => series.groups.find((g) => g.id === id)?.name ?? id);
  if (top.length < order.length) names.push('Others');
  const at = (iso: string) => new Date(iso).toISOString();
  const rows = new Map(buckets(series).map((b) => [b, { at: b, points: [] as Point[] } as { at: string; points: Point[] } & Record<string, unknown>]));
  for (const p of series.points) {
    const row = rows.get(at(p.at));
    if (!row) continue;
    const k = `v${place.get(p.group)}`;
    row[k] = Number(row[k] ?? 0) + valueOf(p, measure);
    row.points.push(p);
  }
  return { names, place, rows: [...rows.values()] };
}

export default function SeriesChart({ series, measure, height = 260 }: { series: Series; measure: Measure; height?: number }) {
  const dark = useIsDark();
  const colors = dark ? darkColors : lightColors;
  const { names, rows, place } = useMemo(() => arrange(series, measure), [series, measure]);
  const [off, setOff] = useState<ReadonlySet<number>>(new Set());
  const label = (iso: string) => (series.bucket === 'hour' ? hour.format(new Date(iso)) : bucketDay(iso));
  const small = measure === 'cost' && series.points.every((p) => Number(p.cost) < 0.01);
  const axis = (v: number) => (measure === 'cost' ? `$${v === 0 ? 0 : small ? Number(v.toPrecision(2)).toFixed(8).replace(/0+$/, '') : countShort(v)}` : countShort(v));
  const show = (points: Point[]) => (measure === 'cost' ? usd(sum(points.map((p) => p.cost))) : count(points.reduce((n, p) => n + valueOf(p, measure), 0)));
  return (
    <figure>
      <div style={{ height }}>
        <ResponsiveContainer width="100%" height="100%">
          <BarChart data={rows} margin={{ top: 8, right: 4, left: 0, bottom: 0 }} accessibilityLayer>
            <CartesianGrid vertical={false} stroke="rgb(var(--line))" />
            <XAxis dataKey="at" tickFormatter={label} tickLine={false} axisLine={false} minTickGap={28} tick={{ fontSize: 11, fill: 'rgb(var(--faint))' }} />
            <YAxis width={small ? 84 : 52} tickFormatter={axis} tickLine={false} axisLine={false} tick={{ fontSize: 11, fill: 'rgb(var(--faint))' }} />
            <Tooltip cursor={{ fill: 'rgb(var(--ink) / 0.05)' }} isAnimationActive={false} content={({ active, payload }) => {
              const row = payload?.[0]?.payload as { at: string; points: Point[] } | undefined;
              if (!active || !row) return null;
              return (
                <div className="min-w-44 rounded-lg border border-line bg-panel px-3 py-2 text-sm shadow-pop">
                  <p className="mb-1.5 font-medium">{series.bucket === 'hour' ? whole.format(new Date(row.at)) : bucketDay(row.at)}</p>
                  {names.map((name, i) => {
                    const points = row.points.filter((p) => place.get(p.group) === i);
                    return points.length > 0 && <p key={name} className="num flex items-center justify-between gap-5"><span className="flex min-w-0 items-center gap-2 text-soft"><span className="size-2 shrink-0 rounded-sm" style={{ background: colors[i] }} /><span className="max-w-52 truncate">{name}</span></span>{show(points)}</p>;
                  })}
                  {names.length > 1 && <p className="num mt-1.5 flex justify-between border-t border-line pt-1.5 font-medium"><span>Together</span>{show(row.points)}</p>}
                </div>
              );
            }} />
            {names.map((name, i) => !off.has(i) && <Bar key={name} dataKey={`v${i}`} name={name} stackId="a" fill={colors[i]} isAnimationActive={false} maxBarSize={34} radius={1.5} />)}
          </BarChart>
        </ResponsiveContainer>
      </div>
      {names.length > 1 && (
        <figcaption className="mt-3 flex flex-wrap gap-x-4 gap-y-1.5">
          {names.map((name, i) => (
            <button key={name} type="button" aria-pressed={!off.has(i)} onClick={() => setOff((o) => { const n = new Set(o); n.has(i) ? n.delete(i) : n.add(i); return n; })}
              className={`flex items-center gap-1.5 text-sm ${off.has(i) ? 'text-faint line-through' : 'text-soft hover:text-ink'}`}>
              <span className="size-2 rounded-sm" style={{ background: colors[i] }} aria-hidden />{name}
            </button>
          ))}
        </figcaption>
      )}
      <div className="sr-only"><table>
        <caption>{measure} over time</caption>
        <tbody>{rows.filter((r) => r.points.length > 0).map((r) => <tr key={r.at}><th scope="row">{label(r.at)}</th><td>{usdRounded(sum(r.points.map((p) => p.cost)))}</td><td>{r.points.reduce((n, p) => n + p.requests, 0)} requests</td></tr>)}</tbody>
      </table></div>
    </figure>
  );
}
