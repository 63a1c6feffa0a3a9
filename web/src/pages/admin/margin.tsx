import { Percent } from 'lucide-react';
import { Link } from 'wouter';
import { query } from '@/lib/api';
import { useGet, useParam, useTitle } from '@/lib/hooks';
import { compare } from '@/lib/money';
import { count, daysAgo } from '@/lib/time';
import type { MarginRow } from '@/lib/types';
import { Card, Empty, PageHeader, Skeleton, Stat } from '@/ui/basic';
import { Money, Table } from '@/ui/data';
import { Segments } from '@/ui/tabs';

export default function Margin() {
  useTitle('Margin');
  const [days, setDays] = useParam('days', '30');
  const [group, setGroup] = useParam('group', 'model');
  const q = useGet<{ data: MarginRow[]; total: MarginRow }>(`/api/admin/margin${query({ start: daysAgo(Number(days) - 1), group })}`);
  const rows = q.data && [...q.data.data].sort((a, b) => compare(b.margin, a.margin));
  const t = q.data?.total;
  return (
    <>
      <PageHeader title="Margin" note="What customers paid, less what providers took."><Segments label="Period" value={days} onChange={setDays} options={[['1', 'Today'], ['7', '7 days'], ['30', '30 days'], ['90', '90 days']]} /></PageHeader>
      <div className="mb-4 grid grid-cols-2 gap-3 sm:grid-cols-3 sm:gap-4 max-sm:[&>*:first-child]:col-span-2">
        <Stat label="Charged">{t ? <Money of={t.charge} round /> : <Skeleton className="h-7 w-24" />}</Stat><Stat label="Cost">{t ? <Money of={t.cost} round /> : <Skeleton className="h-7 w-24" />}</Stat>
        <Stat label="Margin" foot={t?.margin_percent != null ? `${t.margin_percent} % of what was charged` : undefined}>{t ? <Money of={t.margin} round /> : <Skeleton className="h-7 w-24" />}</Stat>
      </div>
      <Card flush title={group === 'model' ? 'By model' : 'By customer'} action={<Segments label="Split by" value={group} onChange={setGroup} options={[['model', 'Model'], ['customer', 'Customer']]} />}>
        <Table label="Margin" rows={rows} error={q.error} retry={() => void q.refetch()} id={(r) => r.id} empty={<Empty icon={Percent} title="Nothing was sold in this period" />} columns={[
          { head: group === 'model' ? 'Model' : 'Customer', cell: (r) => (group === 'model' ? <span className="break-all font-mono text-sm">{r.name || r.id}</span> : r.id.startsWith('usr_') ? <Link href={`/admin/customers/${r.id}`} className="font-medium hover:underline">{r.name || r.id}</Link> : <span className="font-medium">{r.name || r.id}</span>) },
          { head: 'Requests', sort: (r) => r.requests, right: true, phone: 'hide', cell: (r) => count(r.requests) }, { head: 'Charged', sort: (r) => r.charge, right: true, cell: (r) => <Money of={r.charge} /> }, { head: 'Cost', sort: (r) => r.cost, right: true, cell: (r) => <Money of={r.cost} /> },
          { head: 'Margin', sort: (r) => r.margin, right: true, cell: (r) => <span className={r.margin.startsWith('-') ? 'font-medium text-bad' : 'font-medium'}><Money of={r.margin} /></span> },
          { head: '%', sort: (r) => r.margin_percent, right: true, cell: (r) => (r.margin_percent == null ? '—' : `${r.margin_percent} %`) },
        ]} />
      </Card>
    </>
  );
}
