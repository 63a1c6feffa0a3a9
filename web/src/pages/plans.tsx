// What a plan is, in words; the cards of all that are on offer.
import { Check } from 'lucide-react';
import type { ReactNode } from 'react';
import { compare, usd } from '@/lib/money';
import { count } from '@/lib/time';
import { LIMITS, type Plan } from '@/lib/types';
import { Badge, cx } from '@/ui/basic';
import { limitNames } from './key-dialogs';

export const priceOf = (p: Plan) => usd(p.price).replace(/\.00$/, '');
export const every = (p: Plan) => (p.interval === 'year' ? 'a year' : 'a month');

export function rollOver(p: Plan): string {
  if (p.roll_over === 'all') return 'What is left of it stays';
  if (p.roll_over === 'capped' && p.roll_over_max) return `Up to ${usd(p.roll_over_max)} of what is left stays`;
  return 'What is left ends with the month';
}

const limitWords: Partial<Record<(typeof LIMITS)[number], string>> = { rpm: 'requests a minute', burst: 'at once', concurrency: 'at the same time', tpm: 'tokens a minute' };
export const limitsOf = (p: Plan) => LIMITS.filter((l) => p.limits?.[l]).map((l) => `${count(p.limits![l]!)} ${limitWords[l] ?? limitNames[l][1]}`).join(', ');

export function points(p: Plan, trial: boolean): string[] {
  return [
    `${usd(p.monthly_credit)} of credit each month`, rollOver(p), ...(limitsOf(p) ? [limitsOf(p)] : []),
    ...(trial && p.trial_days > 0 ? [`${count(p.trial_days)} days free${compare(p.trial_credit, '0') > 0 ? `, with ${usd(p.trial_credit)} of credit` : ''}`] : []),
  ];
}

export function PlanCards({ plans, trial, mine, children }: { plans: Plan[]; trial: boolean; mine?: string; children: (p: Plan) => ReactNode }) {
  return (
    <ul className={cx('grid gap-4 sm:grid-cols-2', plans.length > 2 && 'xl:grid-cols-3')}>
      {plans.map((p) => (
        <li key={p.id} aria-label={p.name} className={cx('flex flex-col rounded-lg border bg-panel px-5 py-4 shadow-card', p.id === mine ? 'border-brand ring-1 ring-brand' : 'border-line')}>
          <div className="flex items-center justify-between gap-3"><h3 className="text-lg font-semibold">{p.name}</h3>{p.id === mine && <Badge tone="brand" dot>Your plan</Badge>}</div>
          {p.description && <p className="mt-0.5 text-soft">{p.description}</p>}
          <p className="num mt-3"><span className="text-3xl font-semibold tracking-tight">{priceOf(p)}</span> <span className="text-soft">{every(p)}</span></p>
          <ul className="mb-5 mt-3 space-y-1.5">
            {points(p, trial).map((t) => <li key={t} className="num flex items-start gap-2"><Check className="mt-0.5 size-4 shrink-0 text-good" aria-hidden />{t}</li>)}
          </ul>
          <div className="mt-auto">{children(p)}</div>
        </li>
      ))}
    </ul>
  );
}
