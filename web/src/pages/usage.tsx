import { Download, ReceiptText } from 'lucide-react';
import { useState } from 'react';
import { Chart } from '@/charts/lazy';
import type { Measure } from '@/charts/series';
import { query } from '@/lib/api';
import { useGet, useList, useParam, useTitle } from '@/lib/hooks';
import { compare, sum } from '@/lib/money';
import { count, dateTime, daysAgo, duration, shortTime } from '@/lib/time';
import type { Call, Key, List, Member, Model, Point, Series } from '@/lib/types';
import { useMe } from '@/lib/session';
import { Badge, Card, Empty, PageHeader, Stat, Skeleton } from '@/ui/basic';
import { CopyButton, Facts, Money, paged, Table } from '@/ui/data';
import { Select } from '@/ui/select';
import { Dialog } from '@/ui/overlay';
import { Segments } from '@/ui/tabs';

export function CallStatus({ call: c }: { call: Call }) {
  if (c.unresolved) return <Badge tone="warn" dot title="Its outcome was not seen; it was settled by policy">Unresolved</Badge>;
  return c.status === 'completed' ? <Badge tone="good" dot>Completed</Badge> : <Badge tone="bad" dot>Failed{c.http_status ? ` ${c.http_status}` : ''}</Badge>;
}

const periods: [string, string][] = [['1', '24 hours'], ['7', '7 days'], ['30', '30 days'], ['90', '90 days']];
const startOf = (days: string) => (days === '1' ? new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000 - 23 * 3_600_000).toISOString() : daysAgo(Number(days) - 1));

function totalsOf(points: Point[]) {
  return {
    cost: sum(points.map((p) => p.cost)), requests: points.reduce((n, p) => n + p.requests, 0), failed: points.reduce((n, p) => n + p.failed, 0),
    input: points.reduce((n, p) => n + p.input_tokens, 0), output: points.reduce((n, p) => n + p.output_tokens, 0),
  };
}

export default function Usage() {
  useTitle('Usage');
  const { team } = useMe();
  const [days, setDays] = useParam('days', '7');
  const [group, setGroup] = useParam('group', 'model');
  const [measure, setMeasure] = useState<Measure>('cost');
  const [model, setModel] = useParam('model');
  const [key, setKey] = useParam('key');
  const [member, setMember] = useParam('member');
  const [status, setStatus] = useParam('status');
  const [opened, open] = useState<Call | null>(null);
  const start = startOf(days);
  const series = useGet<Series>(`/api/usage/series${query({ start, bucket: days === '1' ? 'hour' : 'day', group })}`);
  const filters = { start, model, key, member, status };
  const calls = useList<Call>('/api/usage/history', filters, 25);
  const models = useGet<List<Model>>('/api/models?limit=100');
  const keys = useGet<List<Key>>('/api/keys?limit=100');
  const members = useGet<List<Member>>(`/api/teams/${team.id}/members?limit=100`);
  const all = series.data && totalsOf(series.data.points);
  const by = series.data?.groups.map((g) => ({ ...g, ...totalsOf(series.data!.points.filter((p) => p.group === g.id)) })).filter((g) => g.requests > 0).sort((a, b) => compare(b.cost, a.cost));
  const used = by && group === 'model' ? by.map((g) => g.id) : models.data?.data.map((m) => m.id) ?? [];
  const noun = { model: 'model', key: 'key', member: 'member' }[group] ?? 'model';
  return (
    <>
      <PageHeader title="Usage" note="Every call of the team, as it is settled."><Segments label="Period" value={days} onChange={setDays} options={periods} /></PageHeader>
      <div className="mb-4 grid grid-cols-2 gap-3 sm:grid-cols-3 sm:gap-4 max-sm:[&>*:first-child]:col-span-2">
        <Stat label="Cost">{all ? <Money of={all.cost} round /> : <Skeleton className="h-7 w-24" />}</Stat>
        <Stat label="Requests" foot={all && all.failed > 0 ? `${count(all.failed)} failed` : undefined}>{all ? count(all.requests) : <Skeleton className="h-7 w-24" />}</Stat>
        <Stat label="Tokens" foot={all && <>{count(all.input)} in, {count(all.output)} out</>}>{all ? count(all.input + all.output) : <Skeleton className="h-7 w-24" />}</Stat>
      </div>
      <Card title="Over time" action={
        <div className="flex flex-wrap gap-2">
          <Segments label="Measure" value={measure} onChange={(v) => setMeasure(v as Measure)} options={[['cost', 'Cost'], ['requests', 'Requests'], ['tokens', 'Tokens']]} />
          <Segments label="Split by" value={group} onChange={setGroup} options={[['model', 'Model'], ['key', 'Key'], ['member', 'Member']]} />
        </div>}>
        <Chart q={series} measure={measure} empty="Choose a longer period, or make a call." />
      </Card>
      <Card className="mt-4" flush title={`By ${noun}`}>
        <Table label={`Usage by ${noun}`} rows={by} error={series.error} id={(g) => g.id} empty={<Empty title="Nothing in this period" />} columns={[
          { head: noun[0]!.toUpperCase() + noun.slice(1), cell: (g) => <span className={group === 'model' ? 'break-all font-mono text-sm' : 'font-medium'}>{g.name || g.id}</span> },
          { head: 'Requests', sort: (g) => g.requests, right: true, cell: (g) => count(g.requests) },
          { head: 'Input tokens', sort: (g) => g.input, right: true, phone: 'hide', cell: (g) => count(g.input) },
          { head: 'Output tokens', sort: (g) => g.output, right: true, phone: 'hide', cell: (g) => count(g.output) },
          { head: 'Cost', sort: (g) => g.cost, right: true, cell: (g) => <Money of={g.cost} /> },
        ]} />
      </Card>
      <Card className="mt-4" flush title="Calls" action={
        <div className="flex flex-wrap gap-2">
          <Select small label="Model" value={model} onChange={setModel} className="max-w-44" choices={[{ value: '', label: 'All models' }, ...used.map((m) => ({ value: m, label: m }))]} />
          <Select small label="Key" value={key} onChange={setKey} className="max-w-36" choices={[{ value: '', label: 'All keys' }, ...(keys.data?.data ?? []).map((k) => ({ value: k.id, label: k.name }))]} />
          <Select small label="Member" value={member} onChange={setMember} className="max-w-44" choices={[{ value: '', label: 'All members' }, ...(members.data?.data ?? []).map((m) => ({ value: m.user.id, label: m.user.name || m.user.email }))]} />
          <Select small label="Status" value={status} onChange={setStatus} choices={[{ value: '', label: 'Any status' }, { value: 'completed', label: 'Completed' }, { value: 'failed', label: 'Failed' }]} />
          <a href={`/api/usage/export.csv${query(filters)}`} download className="inline-flex h-8 items-center gap-1.5 rounded-md border border-line-strong bg-panel px-2.5 text-sm font-medium shadow-card hover:bg-sunk"><Download className="size-3.5" aria-hidden />CSV</a>
        </div>}>
        <Table label="Calls" rows={calls.rows} {...paged(calls)} id={(c) => c.request_id} onRow={open} empty={<Empty icon={ReceiptText} title="No calls">{model || key || member || status ? 'None fits these filters.' : 'None in this period.'}</Empty>} columns={[
          { head: 'Model', cell: (c) => <button type="button" onClick={() => open(c)} className="break-all text-left font-mono text-sm hover:underline">{c.model}</button> },
          { head: 'When', sort: (c) => c.at, cell: (c) => <time dateTime={c.at} title={dateTime(c.at)} className="whitespace-nowrap text-soft">{shortTime(c.at)}</time> },
          { head: 'Key', phone: 'hide', cell: (c) => <span className="text-soft">{c.key?.name ?? '—'}</span> },
          { head: 'In', sort: (c) => c.input_tokens, right: true, phone: 'hide', cell: (c) => count(c.input_tokens) },
          { head: 'Out', sort: (c) => c.output_tokens, right: true, phone: 'hide', cell: (c) => count(c.output_tokens) },
          { head: 'Took', sort: (c) => c.duration_ms, right: true, phone: 'hide', cell: (c) => <span className="whitespace-nowrap text-soft">{duration(c.duration_ms)}</span> },
          { head: 'Status', cell: (c) => <CallStatus call={c} /> },
          { head: 'Cost', sort: (c) => c.cost, right: true, cell: (c) => <Money of={c.cost} /> },
        ]} />
      </Card>
      {opened && <CallDialog call={opened} onClose={() => open(null)} />}
    </>
  );
}

function CallDialog({ call: c, onClose }: { call: Call; onClose: () => void }) {
  return (
    <Dialog open onClose={onClose} title="Call">
      <Facts of={[
        ['Request', <span className="flex items-center justify-end gap-1 sm:justify-start"><span className="break-all font-mono text-sm">{c.request_id}</span><CopyButton small text={c.request_id} label="Copy the request id" /></span>],
        ['Status', <CallStatus call={c} />], ['When', dateTime(c.at)], ['Model', <span className="font-mono text-sm">{c.model}</span>],
        ['Key', c.key?.name ?? '—'], ['Member', c.member?.email ?? '—'],
        ['Tokens', <span className="num">{count(c.input_tokens)} in, {count(c.output_tokens)} out</span>],
        ['Took', `${duration(c.duration_ms)}${c.stream ? ', streamed' : ''}`], ['Cost', <Money of={c.cost} className="font-semibold" />],
      ]} />
      {c.unresolved && <p className="mt-4 text-sm text-soft">Nobody saw how this call ended, so it was settled by policy; the operator has it on a list.</p>}
    </Dialog>
  );
}
