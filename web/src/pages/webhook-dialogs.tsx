import { useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { api, ApiError, messageOf, once } from '@/lib/api';
import { useForm, useGet } from '@/lib/hooks';
import { useMay } from '@/lib/session';
import { dateTime, duration } from '@/lib/time';
import type { Delivery, DeliveryDetail, Webhook } from '@/lib/types';
import { Badge, Button, Skeleton, type Tone } from '@/ui/basic';
import { Code, CopyButton, Facts, Failed, Secret, When } from '@/ui/data';
import { Field, Problem } from '@/ui/form';
import { SelectField, Switch } from '@/ui/select';
import { say } from '@/ui/notices';
import { Dialog, DialogFoot } from '@/ui/overlay';

const events: [string, string][] = [
  ['balance.low', 'The balance fell below a threshold.'], ['usage.threshold', "A month's spending passed a threshold."], ['key.created', 'An API key was made.'], ['key.revoked', 'An API key was ended.'],
  ['payment.succeeded', 'Credit was bought.'], ['payment.failed', 'A payment failed.'], ['payment.refunded', 'A payment was given back, whole or in part.'], ['payment.disputed', 'A payment is disputed.'],
  ['subscription.updated', 'A subscription changed.'],
];
const touched = (client: ReturnType<typeof useQueryClient>) => client.invalidateQueries({ predicate: (q) => String(q.queryKey[0]).startsWith('/api/webhooks') });

export function WebhookForm({ of, onClose, onMade }: { of: Webhook | null; onClose: () => void; onMade: (w: Webhook) => void }) {
  const client = useQueryClient();
  const [token] = useState(once);
  const [all, setAll] = useState(of ? of.events.includes('*') : true);
  const [chosen, choose] = useState<string[]>(of?.events.filter((e) => e !== '*') ?? []);
  const f = useForm({ url: of?.url ?? '', description: of?.description ?? '' }, async (v) => {
    if (!all && chosen.length === 0) throw new ApiError(422, 'validation_failed', 'Choose at least one event.');
    const body = { url: v.url.trim(), description: v.description.trim(), events: all ? ['*'] : chosen };
    const w = of ? await api<Webhook>(`/api/webhooks/${of.id}`, { method: 'PATCH', body }) : await api<Webhook>('/api/webhooks', { body, idempotent: token });
    await touched(client);
    if (of) { say('The endpoint is changed.'); onClose(); } else onMade(w);
  });
  return (
    <Dialog open onClose={onClose} title={of ? 'Edit the endpoint' : 'Add an endpoint'}>
      <form onSubmit={f.submit} className="space-y-5">
        <Problem>{f.general}</Problem>
        <Field label="Address" {...f.bind('url')} type="url" inputMode="url" placeholder="https://example.com/hooks" autoFocus required maxLength={2048} />
        <Field label="Description" optional {...f.bind('description')} maxLength={200} />
        <fieldset className="space-y-3 rounded-lg border border-line p-4">
          <legend className="px-1 text-sm font-medium">It is told</legend>
          <Switch label="Everything" note="Also events that are added later." checked={all} onChange={setAll} />
          {!all && events.map(([id, note]) => <Switch key={id} label={id} note={note} checked={chosen.includes(id)} onChange={(on) => choose(on ? [...chosen, id] : chosen.filter((e) => e !== id))} />)}
        </fieldset>
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={f.busy}>{of ? 'Save' : 'Add'}</Button></DialogFoot>
      </form>
    </Dialog>
  );
}

export function WebhookSecret({ of, title, onClose }: { of: Webhook; title: string; onClose: () => void }) {
  return (
    <Dialog open onClose={onClose} locked wide title={title}>
      <div className="space-y-4">
        {of.secret ? <Secret of={of.secret} label="Copy the secret" /> : <Problem>The secret was shown before and cannot be shown again. Rotate it to get a new one.</Problem>}
        <p className="text-base text-soft">Each message is signed with it as <a href="https://www.standardwebhooks.com" target="_blank" rel="noreferrer" className="link">Standard Webhooks</a> says: check <code className="font-mono text-sm">webhook-signature</code> with any of its libraries before you believe one.</p>
      </div>
      <DialogFoot><Button look="primary" onClick={onClose}>I have kept it</Button></DialogFoot>
    </Dialog>
  );
}

export function RotateSecret({ of, onClose, onDone }: { of: Webhook; onClose: () => void; onDone: (w: Webhook) => void }) {
  const client = useQueryClient();
  const [grace, setGrace] = useState('86400');
  const [token] = useState(once);
  const f = useForm({}, async () => {
    const w = await api<Webhook>(`/api/webhooks/${of.id}/rotate`, { body: { grace_seconds: Number(grace) }, idempotent: token });
    await touched(client);
    onDone(w);
  });
  return (
    <Dialog open onClose={onClose} title="Rotate the secret" note="Messages are signed with both until the old one ends.">
      <form onSubmit={f.submit} className="space-y-4">
        <SelectField label="The old secret signs on for" value={grace} onChange={setGrace} choices={[{ value: '0', label: 'No time: it ends at once' }, { value: '3600', label: 'An hour' }, { value: '86400', label: 'A day' }, { value: '604800', label: 'A week' }]} />
        <Problem>{f.general}</Problem>
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={f.busy}>Rotate</Button></DialogFoot>
      </form>
    </Dialog>
  );
}

const states: Record<Delivery['status'], [string, Tone]> = { pending: ['On its way', 'brand'], delivered: ['Delivered', 'good'], failed: ['Failed', 'bad'], cancelled: ['Cancelled', 'plain'] };
export function DeliveryStatus({ of: d }: { of: Delivery }) {
  const [name, tone] = d.status === 'pending' && d.attempts > 0 ? (['Trying again', 'warn'] as const) : states[d.status];
  return <Badge tone={tone} dot>{name}</Badge>;
}

export function DeliveryDialog({ hook, id, onClose }: { hook: string; id: string; onClose: () => void }) {
  const client = useQueryClient();
  const may = useMay();
  const path = `/api/webhooks/${hook}/deliveries/${id}`;
  const q = useGet<DeliveryDetail>(path, (d) => (d?.status === 'pending' ? 2_000 : false));
  const [token] = useState(once);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const again = async () => {
    setBusy(true);
    try {
      await api(`${path}/replay`, { body: {}, idempotent: token });
      await touched(client);
      say('It is sent again.');
      onClose();
    } catch (e) { setError(messageOf(e)); setBusy(false); }
  };
  const d = q.data;
  return (
    <Dialog open onClose={onClose} wide title={d?.type ?? 'Delivery'}>
      {!d ? q.error ? <Failed error={q.error} retry={() => void q.refetch()} /> : <Skeleton className="h-48" /> : (
        <div className="space-y-5">
          <Facts of={[
            ['Status', <DeliveryStatus of={d} />],
            ['Message', <span className="flex items-center gap-1"><span className="break-all font-mono text-xs">{d.message_id}</span><CopyButton small text={d.message_id} label="Copy the message's number" /></span>],
            ['Happened', <When at={d.created_at} />],
            ...(d.next_attempt_at && d.status === 'pending' ? [['Next attempt', <When at={d.next_attempt_at} />] as [string, React.ReactNode]] : []),
          ]} />
          <div>
            <p className="mb-1.5 text-sm font-medium">Attempts</p>
            {d.tries.length === 0 ? <p className="text-soft">None yet.</p> : (
              <ol className="divide-y divide-line rounded-lg border border-line">
                {d.tries.map((t, i) => (
                  <li key={i} className="px-4 py-2.5">
                    <p className="flex flex-wrap items-center gap-x-3 gap-y-1"><Badge tone={t.status !== null && t.status >= 200 && t.status < 300 ? 'good' : 'bad'}>{t.status ?? 'No answer'}</Badge><span className="num text-sm text-faint">{dateTime(t.at)}, {duration(t.duration_ms)}</span></p>
                    {t.error && <p className="mt-1 break-words text-sm text-bad">{t.error}</p>}
                    {t.response && <p className="mt-1 max-h-24 overflow-y-auto whitespace-pre-wrap break-all font-mono text-xs text-soft">{t.response}</p>}
                  </li>
                ))}
              </ol>
            )}
          </div>
          <div><p className="mb-1.5 text-sm font-medium">Body</p><Code wrap label="Body">{JSON.stringify(d.body, null, 2)}</Code></div>
          <Problem>{error}</Problem>
          <DialogFoot><Button onClick={onClose}>Close</Button>{may('webhooks.write') && d.status !== 'pending' && <Button look="primary" busy={busy} onClick={() => void again()}>Send again</Button>}</DialogFoot>
        </div>
      )}
    </Dialog>
  );
}
