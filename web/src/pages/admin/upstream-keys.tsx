import { Activity, RotateCw } from 'lucide-react';
import { useState } from 'react';
import { Link } from 'wouter';
import { useList, useSend, useTitle } from '@/lib/hooks';
import type { UpstreamKey } from '@/lib/types';
import { Badge, Button, Card, Empty, PageHeader } from '@/ui/basic';
import { Money, paged, Table, When } from '@/ui/data';
import { say } from '@/ui/notices';
import { Confirm } from '@/ui/overlay';

const cell = (s: string | null) => (s === null || s === undefined ? <span className="text-faint">—</span> : <Money of={s} />);

export default function UpstreamKeys() {
  useTitle('Upstream keys');
  const list = useList<UpstreamKey>('/api/admin/upstream-keys');
  const [rotating, rotate] = useState<UpstreamKey | null>(null);
  const send = useSend((k: UpstreamKey) => [`/api/admin/upstream-keys/${k.user.id}/rotate`, { body: {} }], ['/api/admin/upstream-keys']);
  return (
    <>
      <PageHeader title="Upstream keys" note="One key for each customer at the provider, with his credit as its limit. Nobody sees their values." />
      <Card flush>
        <Table label="Upstream keys" rows={list.rows} {...paged(list)} id={(k) => k.user.id} empty={<Empty icon={Activity} title="No upstream keys">They are minted when a provisioning key is set up for a provider.</Empty>} columns={[
          { head: 'Customer', cell: (k) => <Link href={`/admin/customers/${k.user.id}`} className="font-medium hover:underline">{k.user.email}</Link> }, { head: 'State', cell: (k) => (k.exists ? <Badge tone="good" dot>Exists</Badge> : <Badge tone="bad" dot>Missing</Badge>) },
          { head: 'Limit', sort: (k) => k.limit, right: true, cell: (k) => cell(k.limit) }, { head: 'Remaining', sort: (k) => k.limit_remaining, right: true, cell: (k) => cell(k.limit_remaining) }, { head: 'Used this month', sort: (k) => k.usage_monthly, right: true, phone: 'hide', cell: (k) => cell(k.usage_monthly) },
          { head: 'Own keys this month', right: true, phone: 'hide', cell: (k) => cell(k.byok_usage_monthly) }, { head: 'Rotated', phone: 'hide', cell: (k) => <span className="text-soft"><When at={k.rotated_at} never="Never" /></span> }, { head: 'Checked', phone: 'hide', cell: (k) => <span className="text-soft"><When at={k.checked_at} /></span> },
          { head: '', right: true, cell: (k) => <Button size="sm" look="quiet" icon={RotateCw} onClick={() => rotate(k)}>Rotate</Button> },
        ]} />
      </Card>
      <Confirm open={!!rotating} onClose={() => rotate(null)} title={`Rotate the key of ${rotating?.user.email ?? ''}?`} action="Rotate" onConfirm={async () => { await send.mutateAsync(rotating!); say('The rotation has begun; see the jobs.'); }}>A new key is minted, then the old one is ended. Running calls finish.</Confirm>
    </>
  );
}
