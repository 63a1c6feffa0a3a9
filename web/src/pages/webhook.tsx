import { ArrowLeft, EllipsisVertical, Pencil, Power, RotateCw, Send, Trash2, Webhook as WebhookIcon } from 'lucide-react';
import { useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { Link, useLocation, useParams } from 'wouter';
import { useGet, useList, useParam, useSend, useTitle } from '@/lib/hooks';
import { useMay } from '@/lib/session';
import type { Delivery, Webhook } from '@/lib/types';
import { Badge, Button, Card, Empty, PageHeader, Skeleton } from '@/ui/basic';
import { CopyButton, Facts, Failed, paged, Table, When } from '@/ui/data';
import { say, sayError } from '@/ui/notices';
import { Confirm, Menu } from '@/ui/overlay';
import { Select } from '@/ui/select';
import { DeliveryDialog, DeliveryStatus, RotateSecret, WebhookForm, WebhookSecret } from './webhook-dialogs';
import { WebhookStatus } from './webhooks';

const day = 86_400_000;

export default function WebhookPage() {
  const { id = '' } = useParams<{ id: string }>();
  const path = `/api/webhooks/${encodeURIComponent(id)}`;
  const [, go] = useLocation();
  const client = useQueryClient();
  const write = useMay()('webhooks.write');
  const q = useGet<Webhook>(path);
  const [status, setStatus] = useParam('status');
  const list = useList<Delivery>(`${path}/deliveries`, { status }, 50, (d) => d.status === 'pending');
  const [doing, set] = useState<'edit' | 'rotate' | 'delete' | 'replay' | null>(null);
  const [looked, look] = useState('');
  const [rotated, show] = useState<Webhook | null>(null);
  const test = useSend(() => [`${path}/test`, { body: {} }], [path]);
  const turn = useSend((enabled: boolean) => [path, { method: 'PATCH', body: { enabled } }], ['/api/webhooks']);
  const remove = useSend(() => [path, { method: 'DELETE' }]);
  const replay = useSend<void, { replayed: number }>(() => [`${path}/replay`, { body: { start: new Date(Date.now() - 30 * day).toISOString() } }], [path]);
  useTitle('Webhook');
  const back = <Link href="/webhooks" className="mb-3 inline-flex items-center gap-1.5 text-sm font-medium text-soft hover:text-ink"><ArrowLeft className="size-3.5" aria-hidden />Webhooks</Link>;
  const w = q.data;
  if (q.error && !w) return <>{back}<Failed error={q.error} retry={() => void q.refetch()} /></>;
  if (!w) return <>{back}<Skeleton className="mb-6 h-9 w-72" /><Skeleton className="h-64" /></>;
  const on = w.status === 'enabled';
  const turned = () => turn.mutate(!on, { onSuccess: () => say(on ? 'It is off: nothing is sent to it.' : 'It is on.'), onError: sayError });
  return (
    <>
      {back}
      <PageHeader title={<span className="flex flex-wrap items-center gap-3"><span className="break-all">{w.url}</span><WebhookStatus of={w} /></span>} note={w.description}>
        {write && (
          <>
            {on ? <Button icon={Send} busy={test.isPending} onClick={() => test.mutate(undefined, { onSuccess: () => say('A test is on its way.'), onError: sayError })}>Send a test</Button> : <Button icon={Power} busy={turn.isPending} onClick={turned}>Turn it on</Button>}
            <Menu trigger={<Button look="quiet" size="icon" aria-label="Actions"><EllipsisVertical className="size-4" aria-hidden /></Button>} entries={[
              { label: 'Edit', icon: Pencil, onSelect: () => set('edit') }, { label: 'Rotate the secret', icon: RotateCw, onSelect: () => set('rotate') },
              { label: 'Turn it off', icon: Power, onSelect: turned, hidden: !on }, '-',
              { label: 'Delete', icon: Trash2, danger: true, onSelect: () => set('delete') },
            ]} />
          </>
        )}
      </PageHeader>
      <Card title="Endpoint">
        <Facts of={[
          ['Number', <span className="flex items-center gap-1"><span className="break-all font-mono text-xs">{w.id}</span><CopyButton small text={w.id} label="Copy the number" /></span>],
          ['Events', <span className="flex flex-wrap gap-1 max-sm:justify-end">{w.events.map((e) => <Badge key={e}>{e === '*' ? 'All events' : e}</Badge>)}</span>],
          ['Added', <When at={w.created_at} />],
          ...(w.failing_since ? [['Failing', <span className="text-warn">since <When at={w.failing_since} /></span>] as [string, React.ReactNode]] : []),
          ...(w.old_secret_until ? [['Old secret', <>signs as well until <When at={w.old_secret_until} /></>] as [string, React.ReactNode]] : []),
        ]} />
      </Card>
      <Card className="mt-4" flush title="Deliveries" note="Of the last 30 days. What fails is tried again for three days." action={
        <span className="flex flex-wrap items-center gap-2">
          {write && on && list.rows?.some((d) => d.status === 'failed') && <Button size="sm" icon={RotateCw} onClick={() => set('replay')}>Send the failed again</Button>}
          <Select small label="Status" value={status} onChange={setStatus} choices={[{ value: '', label: 'Any status' }, { value: 'pending', label: 'On their way' }, { value: 'delivered', label: 'Delivered' }, { value: 'failed', label: 'Failed' }, { value: 'cancelled', label: 'Cancelled' }]} />
        </span>}>
        <Table label="Deliveries" rows={list.rows} {...paged(list)} id={(d) => d.id} onRow={(d) => look(d.id)} empty={<Empty icon={WebhookIcon} title="Nothing was sent">{status ? 'No delivery has this status.' : 'What is sent to this address is listed here.'}</Empty>} columns={[
          { head: 'Event', cell: (d) => <span className="flex flex-wrap items-center gap-2"><button type="button" onClick={() => look(d.id)} className="font-medium hover:underline">{d.type}</button>{d.replay && <Badge>sent again</Badge>}</span> },
          { head: 'Message', phone: 'hide', cell: (d) => <span className="font-mono text-xs text-faint">{d.message_id}</span> },
          { head: 'Answer', cell: (d) => <span className="num text-soft">{d.response_status ?? (d.attempts > 0 ? 'none' : '—')}</span> },
          { head: 'Attempts', right: true, phone: 'hide', cell: (d) => d.attempts },
          { head: 'When', cell: (d) => <span className="text-soft"><When at={d.created_at} /></span> },
          { head: 'Status', right: true, cell: (d) => <DeliveryStatus of={d} /> },
        ]} />
      </Card>
      {looked && <DeliveryDialog hook={w.id} id={looked} onClose={() => look('')} />}
      {doing === 'edit' && <WebhookForm of={w} onClose={() => set(null)} onMade={() => set(null)} />}
      {doing === 'rotate' && <RotateSecret of={w} onClose={() => set(null)} onDone={(r) => { set(null); show(r); }} />}
      {rotated && <WebhookSecret of={rotated} title="Your new secret" onClose={() => show(null)} />}
      <Confirm open={doing === 'delete'} onClose={() => set(null)} title="Delete this endpoint?" action="Delete" onConfirm={async () => {
        await remove.mutateAsync();
        client.removeQueries({ predicate: (x) => String(x.queryKey[0]).startsWith('/api/webhooks') });
        say('The endpoint is gone.');
        go('/webhooks');
      }}>Nothing is sent to <span className="break-all font-mono text-sm text-ink">{w.url}</span> any more, and what was sent is forgotten.</Confirm>
      <Confirm open={doing === 'replay'} onClose={() => set(null)} title="Send the failed again?" action="Send again" onConfirm={async () => { const r = await replay.mutateAsync(); say(`${r.replayed} sent again.`); }}>Each message that failed in the last 30 days is sent once more, the oldest first, with the number that it had.</Confirm>
    </>
  );
}
