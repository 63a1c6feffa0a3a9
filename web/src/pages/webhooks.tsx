import { Plus, Webhook as WebhookIcon } from 'lucide-react';
import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import { useGet, useTitle } from '@/lib/hooks';
import { useMay } from '@/lib/session';
import type { List, Webhook } from '@/lib/types';
import { Badge, Button, Card, Empty, PageHeader } from '@/ui/basic';
import { Table, When } from '@/ui/data';
import { WebhookForm, WebhookSecret } from './webhook-dialogs';

const reasons: Record<Webhook['disabled_reason'], string> = { '': '', manual: 'by hand', gone: 'it answered 410', failing: 'five days without a success' };

export function WebhookStatus({ of: w }: { of: Webhook }) {
  if (w.status === 'disabled') return <Badge tone={w.disabled_reason === 'manual' ? 'plain' : 'bad'} dot>Off{reasons[w.disabled_reason] && `: ${reasons[w.disabled_reason]}`}</Badge>;
  return w.failing_since ? <Badge tone="warn" dot>Failing</Badge> : <Badge tone="good" dot>On</Badge>;
}

export const eventsOf = (w: Webhook) => (w.events.includes('*') ? 'All events' : w.events.length === 1 ? w.events[0] : `${w.events.length} events`);

export default function Webhooks() {
  useTitle('Webhooks');
  const may = useMay();
  const [, go] = useLocation();
  const q = useGet<List<Webhook>>('/api/webhooks');
  const [making, make] = useState(false);
  const [made, show] = useState<Webhook | null>(null);
  const add = may('webhooks.write') && <Button look="primary" icon={Plus} onClick={() => make(true)}>Add an endpoint</Button>;
  return (
    <>
      <PageHeader title="Webhooks" note="What happens in this team is told to your own addresses, signed, and again for days until they answer.">{q.data && q.data.data.length > 0 && add}</PageHeader>
      <Card flush title="Endpoints">
        <Table label="Endpoints" rows={q.data?.data} error={q.error} retry={() => void q.refetch()} id={(w) => w.id} onRow={(w) => go(`/webhooks/${w.id}`)}
          empty={<Empty icon={WebhookIcon} title="No endpoints yet" action={add}>Be told when credit runs low, a payment arrives, or a key is made.</Empty>} columns={[
            { head: 'Address', cell: (w) => <div className="min-w-0"><Link href={`/webhooks/${w.id}`} className="block max-w-md truncate font-medium hover:underline" title={w.url}>{w.url}</Link>{w.description && <p className="truncate text-sm text-faint">{w.description}</p>}</div> },
            { head: 'Events', cell: (w) => <span className="text-soft" title={w.events.join(', ')}>{eventsOf(w)}</span> },
            { head: 'Added', phone: 'hide', cell: (w) => <span className="text-soft"><When at={w.created_at} /></span> },
            { head: 'Status', right: true, cell: (w) => <WebhookStatus of={w} /> },
          ]} />
      </Card>
      {making && <WebhookForm of={null} onClose={() => make(false)} onMade={(w) => { make(false); show(w); }} />}
      {made && <WebhookSecret of={made} title="Your endpoint is added" onClose={() => { show(null); go(`/webhooks/${made.id}`); }} />}
    </>
  );
}
