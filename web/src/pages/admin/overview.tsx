import { CircleAlert, CircleCheck } from 'lucide-react';
import { Link } from 'wouter';
import { query } from '@/lib/api';
import { useGet, useTitle } from '@/lib/hooks';
import { count, countShort, daysAgo } from '@/lib/time';
import type { Customer, Health, Job, List, MarginRow, Provider } from '@/lib/types';
import { Badge, Card, Empty, PageHeader, Skeleton, Stat } from '@/ui/basic';
import { Facts, Failed, Money, Table, When } from '@/ui/data';
import { JobState } from './jobs';

function upFor(s: number): string {
  const d = Math.floor(s / 86400), h = Math.floor((s % 86400) / 3600), m = Math.floor((s % 3600) / 60);
  return d > 0 ? `${d} d ${h} h` : h > 0 ? `${h} h ${m} min` : m > 0 ? `${m} min` : `${Math.floor(s)} s`;
}
const words = (k: string) => k.replace(/_(us|bytes)$/, '').replace(/^wal$/, 'write-ahead log').replace(/_/g, ' ').replace(/^./, (c) => c.toUpperCase());
const bytes = (n: number) => (n < 1e6 ? `${count(Math.round(n / 1e3))} kB` : n < 1e9 ? `${(n / 1e6).toFixed(1)} MB` : `${(n / 1e9).toFixed(2)} GB`);
function plain(k: string, v: unknown): string {
  if (typeof v === 'number') return k.endsWith('_us') ? `${(v / 1000).toFixed(2)} ms` : k.endsWith('_bytes') ? bytes(v) : count(v);
  return typeof v === 'boolean' ? (v ? 'yes' : 'no') : typeof v === 'object' ? JSON.stringify(v) : String(v);
}

export default function Overview() {
  useTitle('Overview');
  const health = useGet<Health>('/api/admin/health', 15_000);
  const margin = useGet<{ data: MarginRow[]; total: MarginRow }>(`/api/admin/margin${query({ start: daysAgo(29), group: 'model' })}`);
  const customers = useGet<List<Customer>>('/api/admin/customers?limit=6');
  const providers = useGet<{ data: Provider[] }>('/api/admin/providers');
  const waiting = useGet<List<Job>>('/api/admin/jobs?state=needs_attention&limit=5');
  const h = health.data, t = margin.data?.total;
  return (
    <>
      <PageHeader title="Overview" note="The last thirty days, and how the house does.">{h && <Badge title="Version">{h.version}</Badge>}</PageHeader>
      {h && h.alerts.length > 0 && (
        <div role="alert" className="mb-4 space-y-1 rounded-lg border border-warn-face/50 bg-warn-face/10 px-4 py-3">
          {h.alerts.map((a) => <p key={a.code} className="flex items-start gap-2.5"><CircleAlert className="mt-0.5 size-4 shrink-0 text-warn" aria-hidden />{a.message}</p>)}
        </div>
      )}
      <div className="grid grid-cols-2 gap-3 sm:gap-4 xl:grid-cols-4">
        <Stat label="Charged to customers">{t ? <Money of={t.charge} round /> : <Skeleton className="h-7 w-24" />}</Stat>
        <Stat label="Cost upstream">{t ? <Money of={t.cost} round /> : <Skeleton className="h-7 w-24" />}</Stat>
        <Stat label="Margin" foot={t?.margin_percent != null ? `${t.margin_percent} %` : undefined}>{t ? <Money of={t.margin} round /> : <Skeleton className="h-7 w-24" />}</Stat>
        <Stat label="Requests">{t ? countShort(t.requests) : <Skeleton className="h-7 w-24" />}</Stat>
      </div>
      <div className="mt-4 grid gap-4 lg:grid-cols-2">
        <Card flush title="Providers" action={<Link href="/admin/providers" className="link text-sm">All</Link>}>
          <Table label="Providers" rows={providers.data?.data} error={providers.error} id={(p) => p.name} empty={<Empty title="No provider yet">Nothing can be sold before there is one.</Empty>} columns={[
            { head: 'Provider', cell: (p) => <span className="font-medium">{p.name}</span> },
            { head: 'Calls', right: true, cell: (p) => count(p.health?.calls ?? 0) },
            { head: 'State', right: true, cell: (p) => <ProviderState of={p} /> },
          ]} />
        </Card>
        <Card title="House" action={h && <Badge tone="good" dot>Up {upFor(h.uptime_s)}</Badge>}>
          {health.error && !h ? <Failed error={health.error} /> : h ? <Facts of={[...Object.entries(h.store), ['open_calls', h.open_calls ?? 0] as const, ['unresolved', h.unresolved] as const, ...Object.entries(h.commits).map(([k, v]) => [`commits_${k}`, v] as const)].map(([k, v]): [string, React.ReactNode] => [words(k), <span className="num">{plain(k, v)}</span>])} /> : <Skeleton className="h-32" />}
        </Card>
        <Card flush title="Newest customers" action={<Link href="/admin/customers" className="link text-sm">All</Link>}>
          <Table label="Newest customers" rows={customers.data?.data} error={customers.error} id={(c) => c.user.id} empty={<Empty title="No customers yet" />} columns={[
            { head: 'Customer', cell: (c) => <Link href={`/admin/customers/${c.user.id}`} className="block max-w-56 truncate font-medium hover:underline">{c.user.email}</Link> },
            { head: 'Since', cell: (c) => <span className="text-soft"><When at={c.user.created_at} /></span> },
            { head: 'Balance', right: true, cell: (c) => <Money of={c.balance} round="down" /> },
          ]} />
        </Card>
        <Card flush title="Jobs that need attention" action={<Link href="/admin/jobs" className="link text-sm">All</Link>}>
          <Table label="Jobs that need attention" rows={waiting.data?.data} error={waiting.error} id={(j) => j.id} empty={<Empty icon={CircleCheck} title="None">Everything that was begun goes on by itself.</Empty>} columns={[
            { head: 'Job', cell: (j) => <Link href={`/admin/jobs/${j.id}`} className="font-mono text-sm hover:underline">{j.kind}</Link> },
            { head: 'State', cell: (j) => <JobState state={j.state} /> },
            { head: 'Begun', right: true, cell: (j) => <When at={j.created_at} /> },
          ]} />
        </Card>
      </div>
    </>
  );
}

export function ProviderState({ of: p }: { of: Provider }) {
  if (!p.health || p.health.calls === 0) return <Badge dot>No calls yet</Badge>;
  return p.health.ok ? <Badge tone="good" dot>Healthy</Badge> : <Badge tone="bad" dot>Failing</Badge>;
}
