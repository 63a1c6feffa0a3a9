import { ArrowRight, Check, KeyRound, MessageSquare, Rocket } from 'lucide-react';
import { useState } from 'react';
import { Link } from 'wouter';
import { Chart } from '@/charts/lazy';
import type { Measure } from '@/charts/series';
import { query } from '@/lib/api';
import { useGet, useTitle } from '@/lib/hooks';
import { useMay, useMe } from '@/lib/session';
import { count, countShort, daysAgo, shortTime } from '@/lib/time';
import type { Call, Key, List, Series, UsageNow } from '@/lib/types';
import { Card, Empty, LinkButton, PageHeader, Skeleton, Stat } from '@/ui/basic';
import { Money, Table } from '@/ui/data';
import { Segments } from '@/ui/tabs';
import { BalanceCard } from './balance-card';
import { PastDue } from './subscription';
import { CallStatus } from './usage';

export default function Home() {
  useTitle('Home');
  const { user } = useMe();
  const may = useMay();
  const usage = useGet<UsageNow>('/api/usage/current', 30_000);
  const [days, setDays] = useState('30');
  const [measure, setMeasure] = useState<Measure>('cost');
  const series = useGet<Series>(`/api/usage/series${query({ start: daysAgo(Number(days) - 1), bucket: 'day', group: 'model' })}`);
  const recent = useGet<List<Call>>('/api/usage/history?limit=6', 30_000);
  const u = usage.data;
  return (
    <>
      <PageHeader title={user.name ? `Hello, ${user.name.split(' ')[0]}` : 'Home'} note="What your team spends, and on what."><LinkButton to="/playground" icon={MessageSquare}>Playground</LinkButton></PageHeader>
      <PastDue />
      {may('keys.write') && <Begin />}
      <div className="grid grid-cols-2 gap-3 max-sm:[&>*:last-child]:col-span-2 sm:gap-4 xl:grid-cols-4">
        <BalanceCard />
        <Stat label="Spent this month" foot={u && <>today <Money of={u.today.cost} round /></>}>{u ? <Money of={u.cost} round /> : <Skeleton className="h-7 w-24" />}</Stat>
        <Stat label="Requests this month" title={u && count(u.requests)} foot={u && <>{count(u.today.requests)} today{u.failed > 0 && `, ${count(u.failed)} failed`}</>}>{u ? countShort(u.requests) : <Skeleton className="h-7 w-24" />}</Stat>
        <Stat label="Tokens this month" title={u && count(u.input_tokens + u.output_tokens)} foot={u && <>{countShort(u.input_tokens)} in, {countShort(u.output_tokens)} out</>}>{u ? countShort(u.input_tokens + u.output_tokens) : <Skeleton className="h-7 w-24" />}</Stat>
      </div>
      <Card className="mt-4" title="By day and model" action={
        <div className="flex flex-wrap gap-2">
          <Segments label="Measure" value={measure} onChange={(v) => setMeasure(v as Measure)} options={[['cost', 'Cost'], ['requests', 'Requests'], ['tokens', 'Tokens']]} />
          <Segments label="Period" value={days} onChange={setDays} options={[['7', '7 days'], ['30', '30 days'], ['90', '90 days']]} />
        </div>}>
        <Chart q={series} measure={measure} empty="As soon as a call is made, it is drawn here." />
      </Card>
      <Card className="mt-4" flush title="Latest calls" action={<Link href="/usage" className="link flex items-center gap-1 text-sm">All usage<ArrowRight className="size-3.5" aria-hidden /></Link>}>
        <Table label="Latest calls" rows={recent.data?.data} error={recent.error} retry={() => void recent.refetch()} id={(c) => c.request_id} empty={<Empty icon={MessageSquare} title="No calls yet">Try a model in the playground, or use a key in your program.</Empty>} columns={[
          { head: 'Model', cell: (c) => <span className="font-mono text-sm">{c.model}</span> },
          { head: 'When', cell: (c) => <span className="whitespace-nowrap text-soft">{shortTime(c.at)}</span> },
          { head: 'Key', phone: 'hide', cell: (c) => <span className="text-soft">{c.key?.name ?? '—'}</span> },
          { head: 'Tokens', right: true, phone: 'hide', cell: (c) => count(c.input_tokens + c.output_tokens) },
          { head: 'Cost', right: true, cell: (c) => <Money of={c.cost} /> },
          { head: 'Status', right: true, phone: 'hide', cell: (c) => <CallStatus call={c} /> },
        ]} />
      </Card>
    </>
  );
}

// The first steps, until they are done.
function Begin() {
  const keys = useGet<List<Key>>('/api/keys?limit=1');
  const calls = useGet<List<Call>>('/api/usage/history?limit=6');
  if (!keys.data || !calls.data || calls.data.data.length > 0) return null;
  const has = keys.data.data.length > 0;
  const steps = [
    { done: has, to: '/keys?new=1', icon: KeyRound, title: 'Create an API key', text: 'It is shown once; keep it where your secrets are.' },
    { done: false, to: '/quickstart', icon: Rocket, title: 'Make the first call', text: 'curl, Python or JavaScript, ready to paste.' },
    { done: false, to: '/playground', icon: MessageSquare, title: 'Or just try a model', text: 'In the playground, with your own credit.' },
  ];
  return (
    <section aria-label="First steps" className="mb-4 grid gap-3 rounded-lg border border-brand/25 bg-brand/[0.06] p-3 sm:grid-cols-3">
      {steps.map((s) => (
        <Link key={s.to} href={s.to} className="group flex gap-3 rounded-md p-3 hover:bg-panel">
          <span className={`grid size-9 shrink-0 place-items-center rounded-lg ${s.done ? 'bg-good/15 text-good' : 'bg-brand/15 text-brand-ink'}`}>{s.done ? <Check className="size-4" aria-label="Done" /> : <s.icon className="size-4" aria-hidden />}</span>
          <span><span className="block font-semibold group-hover:underline">{s.title}</span><span className="block text-sm text-soft">{s.text}</span></span>
        </Link>
      ))}
    </section>
  );
}
