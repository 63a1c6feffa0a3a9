import { Users } from 'lucide-react';
import { Link, useLocation } from 'wouter';
import { useLate, useList, useParam, useTitle } from '@/lib/hooks';
import { count } from '@/lib/time';
import type { Customer } from '@/lib/types';
import { Badge, Card, Empty, PageHeader } from '@/ui/basic';
import { Money, paged, Table, When } from '@/ui/data';
import { SearchField } from '@/ui/form';

export default function Customers() {
  useTitle('Customers');
  const [q, setQ] = useParam('q');
  const [, go] = useLocation();
  const list = useList<Customer>('/api/admin/customers', { q: useLate(q.trim()) });
  return (
    <>
      <PageHeader title="Customers" note="Everybody who has an account here." />
      <Card flush>
        <div className="p-4"><SearchField label="Search by e-mail, name or number" value={q} onChange={setQ} className="max-w-md" /></div>
        <Table label="Customers" rows={list.rows} {...paged(list)} id={(c) => c.user.id} onRow={(c) => go(`/admin/customers/${c.user.id}`)} empty={<Empty icon={Users} title={q ? 'Nobody fits' : 'No customers yet'}>{q ? 'Try a part of the address.' : 'Whoever signs up is listed here.'}</Empty>} columns={[
          { head: 'Customer', cell: (c) => <div className="min-w-0"><Link href={`/admin/customers/${c.user.id}`} className="block truncate font-medium hover:underline">{c.user.email}</Link><p className="truncate text-sm text-faint">{c.user.name || c.team.name}</p></div> },
          { head: 'Balance', sort: (c) => c.balance, right: true, cell: (c) => <Money of={c.balance} round="down" /> },
          { head: 'Spent, 30 days', sort: (c) => c.spent_30d, right: true, cell: (c) => <Money of={c.spent_30d} round /> },
          { head: 'Requests, 30 days', sort: (c) => c.requests_30d, right: true, phone: 'hide', cell: (c) => count(c.requests_30d) },
          { head: 'Last call', sort: (c) => c.last_call_at, phone: 'hide', cell: (c) => <span className="text-soft"><When at={c.last_call_at} never="Never" /></span> },
          { head: 'Since', sort: (c) => c.user.created_at, phone: 'hide', cell: (c) => <span className="text-soft"><When at={c.user.created_at} /></span> },
          { head: 'State', right: true, cell: (c) => (c.user.suspended ? <Badge tone="bad" dot>Suspended</Badge> : <Badge tone="good" dot>Active</Badge>) },
        ]} />
      </Card>
    </>
  );
}
