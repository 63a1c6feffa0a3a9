import { ArrowRight, BadgeDollarSign, ChartColumn, KeyRound, ReceiptText, ShieldCheck, UsersRound } from 'lucide-react';
import { useState } from 'react';
import { Link } from 'wouter';
import { useGet, useTitle } from '@/lib/hooks';
import { compare, perMillion, usd } from '@/lib/money';
import { useBaseUrl, useOptions, useWho } from '@/lib/session';
import type { List, Model, Plan } from '@/lib/types';
import { Brand } from '@/layout/brand';
import { ThemeButton } from '@/layout/theme-button';
import { Button, Empty, LinkButton } from '@/ui/basic';
import { CopyButton, Table } from '@/ui/data';
import { SearchField } from '@/ui/form';
import { PlanCards } from './plans';

const points = [
  [KeyRound, 'The SDK you have', 'Change the base URL and the key. The OpenAI clients work as they are, streaming too.'],
  [BadgeDollarSign, 'Prepaid, never surprised', 'A call is held against your credit before it is sent, and settled to the last digit when it ends.'],
  [ReceiptText, 'Every call accounted for', 'Model, tokens and cost of each request: in its answer, in the console, in a CSV.'],
  [UsersRound, 'A team, one wallet', 'Roles, and a spending cap for each member and each key.'],
  [ShieldCheck, 'Keys that can be lost', 'Scope, expiry, models and addresses per key. Rotate with grace; revoke at once.'],
  [ChartColumn, 'Usage as it happens', 'By model, by key, by person, by the hour. No day-old figures.'],
] as const;

function Sample() {
  const base = useBaseUrl();
  const code = `from openai import OpenAI

client = OpenAI(
    base_url="${base}/v1",
    api_key=KEY,
)
answer = client.chat.completions.create(
    model="openai/gpt-4o-mini",
    messages=[{"role": "user", "content": "Hello"}],
)`;
  return (
    <div className="overflow-hidden rounded-xl border border-line bg-panel text-left shadow-pop">
      <div className="flex items-center justify-between border-b border-line bg-sunk/60 px-4 py-2"><span className="font-mono text-xs text-faint">hello.py</span><CopyButton text={code} small label="Copy the code" /></div>
      <pre className="overflow-x-auto p-5 font-mono text-[0.8rem] leading-6"><code>{code.split(base).map((part, i) => i === 0 ? part : <span key={i}><span className="rounded bg-brand/10 px-0.5 text-brand-ink">{base}</span>{part}</span>)}</code></pre>
      <div className="num flex flex-wrap gap-x-5 gap-y-1 border-t border-line bg-sunk/60 px-5 py-2.5 font-mono text-xs text-soft">
        <span>200 in 0.6 s</span><span>cost <b className="font-medium text-good">$0.00001224</b></span><span>left $9.99998776</span>
      </div>
    </div>
  );
}

export default function Landing() {
  useTitle();
  const { options, ready } = useOptions();
  const me = useWho();
  const gift = compare(options.intro_credit, '0') > 0;
  const begin = options.signup === 'open' ? <LinkButton to="/sign-up" look="primary" size="lg">{gift ? `Begin with ${usd(options.intro_credit)}` : 'Create an account'}<ArrowRight className="size-4" aria-hidden /></LinkButton> : null;
  return (
    <div className="relative min-h-dvh overflow-hidden">
      <div aria-hidden className="pointer-events-none absolute inset-x-0 top-0 h-[36rem] bg-gradient-to-b from-brand/[0.13] to-transparent" />
      <header className="relative mx-auto flex max-w-6xl items-center justify-between gap-4 px-5 py-5 sm:px-8">
        <Brand />
        <nav aria-label="Account" className="flex items-center gap-1 sm:gap-2">
          <a href="#prices" className="hidden px-3 font-medium text-soft hover:text-ink sm:block">Prices</a>
          <ThemeButton />
          {me ? <LinkButton to="/" look="primary">Open the console</LinkButton> : <>
            <LinkButton to="/sign-in" look="quiet">Sign in</LinkButton>
            {ready && options.signup === 'open' && <LinkButton to="/sign-up" look="primary" className="max-sm:hidden">Sign up</LinkButton>}
          </>}
        </nav>
      </header>
      <main className="relative">
        <section className="mx-auto grid max-w-6xl items-center gap-12 px-5 pb-20 pt-12 sm:px-8 lg:grid-cols-[1.05fr_1fr] lg:pt-20">
          <div>
            <h1 className="text-4xl font-semibold tracking-tight sm:text-5xl"><span className="block">One key for every model.</span><span className="block text-brand-ink">Every call, to the cent.</span></h1>
            <p className="mt-5 max-w-xl text-lg leading-relaxed text-soft">{options.brand.name} gives your code the AI models it needs on prepaid credit: with the SDK you already use, a price list you can read, and a receipt for each request.</p>
            <div className="mt-8 flex min-h-11 flex-wrap gap-3">{ready && <>{begin}<a href="#prices" className="inline-flex h-11 items-center rounded-md border border-line-strong bg-panel px-5 text-lg font-medium shadow-card hover:bg-sunk">See the prices</a></>}</div>
            {ready && gift && options.signup === 'open' && <p className="mt-4 text-sm text-faint">{usd(options.intro_credit)} of credit once your address is verified. No card.</p>}
          </div>
          <Sample />
        </section>
        <section aria-label="What you get" className="border-y border-line bg-panel/70">
          <div className="mx-auto grid max-w-6xl gap-x-10 gap-y-9 px-5 py-14 sm:grid-cols-2 sm:px-8 lg:grid-cols-3">
            {points.map(([Icon, title, text]) => (
              <div key={title}>
                <span className="grid size-9 place-items-center rounded-lg bg-brand/10 text-brand-ink"><Icon className="size-[1.1rem]" aria-hidden /></span>
                <h2 className="mt-3.5 text-lg font-semibold">{title}</h2>
                <p className="prose-soft mt-1">{text}</p>
              </div>
            ))}
          </div>
        </section>
        <Plans open={options.signup === 'open'} inside={!!me} />
        <Prices />
      </main>
      <footer className="relative mx-auto flex max-w-6xl flex-wrap items-center justify-between gap-4 px-5 py-10 text-sm text-faint sm:px-8"><Brand className="[&_span]:text-base" /><span>Prices in US dollars. <Link href="/sign-in" className="link">Sign in</Link></span></footer>
    </div>
  );
}

// Where plans are on offer.
function Plans({ open, inside }: { open: boolean; inside: boolean }) {
  const plans = useGet<List<Plan>>('/api/plans').data?.data ?? [];
  if (plans.length === 0) return null;
  return (
    <section id="plans" aria-label="Plans" className="mx-auto max-w-6xl px-5 pt-16 sm:px-8">
      <h2 className="text-3xl font-semibold tracking-tight">Plans</h2>
      <p className="mb-6 mt-1.5 text-soft">Credit each month, and more room for your calls. Or none: credit can be bought by itself.</p>
      <PlanCards plans={plans} trial>{(p) => (inside ? <LinkButton to="/billing" className="w-full">Choose {p.name}</LinkButton> : open ? <LinkButton to="/sign-up" className="w-full">Begin</LinkButton> : null)}</PlanCards>
    </section>
  );
}

function Prices() {
  const q = useGet<{ data: Model[] }>('/v1/models');
  const [typed, type] = useState('');
  const [all, setAll] = useState(false);
  const wanted = typed.trim().toLowerCase();
  const found = q.data?.data.filter((m) => `${m.id} ${m.name}`.toLowerCase().includes(wanted)).sort((a, b) => Number(b.recommended) - Number(a.recommended));
  const shown = found?.slice(0, all || wanted ? 200 : 12);
  if (q.error && !q.data) return null; // a house may keep its price list for customers
  return (
    <section id="prices" aria-label="Prices" className="mx-auto max-w-6xl px-5 py-16 sm:px-8">
      <div className="mb-6 flex flex-wrap items-end justify-between gap-4">
        <div><h2 className="text-3xl font-semibold tracking-tight">Prices</h2><p className="mt-1.5 text-soft">US dollars per million tokens. What is listed is what is charged.</p></div>
        <SearchField label="Search models" value={typed} onChange={type} className="w-full sm:w-72" />
      </div>
      <div className="overflow-hidden rounded-lg border border-line bg-panel shadow-card">
        <Table label="Prices of models" rows={shown} id={(m) => m.id} empty={<Empty title="No model is called that" />} columns={[
          { head: 'Model', sort: (m) => m.id, cell: (m) => <span className="flex min-w-0 items-center gap-1.5"><span className="truncate font-mono text-sm">{m.id}</span><CopyButton small text={m.id} label={`Copy ${m.id}`} /></span> },
          { head: 'Context', sort: (m) => m.context_length, right: true, phone: 'hide', cell: (m) => m.context_length ? m.context_length.toLocaleString('en-US') : '—' },
          { head: 'Input', sort: (m) => m.pricing.prompt, right: true, cell: (m) => m.pricing.prompt ? perMillion(m.pricing.prompt) : '—' },
          { head: 'Output', sort: (m) => m.pricing.completion, right: true, cell: (m) => m.pricing.completion ? perMillion(m.pricing.completion) : '—' },
        ]} />
        {found && shown && found.length > shown.length && <div className="border-t border-line p-3 text-center"><Button look="quiet" size="sm" onClick={() => setAll(true)}>Show all {found.length} models</Button></div>}
      </div>
    </section>
  );
}
