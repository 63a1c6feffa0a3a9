import { useState } from 'react';
import { ChevronRight } from 'lucide-react';
import { useQueryClient } from '@tanstack/react-query';
import { api, ApiError, messageOf, once } from '@/lib/api';
import { useForm } from '@/lib/hooks';
import { typedAmount } from '@/lib/money';
import { useBaseUrl } from '@/lib/session';
import { LIMITS, type Key, type Limits } from '@/lib/types';
import { Button } from '@/ui/basic';
import { Code, Secret } from '@/ui/data';
import { Field, Problem, TextField } from '@/ui/form';
import { SelectField, Switch } from '@/ui/select';
import { say } from '@/ui/notices';
import { Dialog, DialogFoot } from '@/ui/overlay';

export const limitNames: Record<(typeof LIMITS)[number], [string, string]> = {
  rpm: ['Requests per minute', 'requests/min'], burst: ['Requests at once', 'burst'], per_hour: ['Requests per hour', 'requests/h'], per_day: ['Requests per day', 'requests/day'],
  tpm: ['Tokens per minute', 'tokens/min'], concurrency: ['Calls at the same time', 'concurrent'], max_tokens: ['Output tokens per request', 'max tokens'],
};
const scopes: [string, string, string][] = [
  ['inference', 'Call models', 'Everything under /v1; spends credit.'], ['usage', 'Read usage and billing', 'Balance, calls, statement.'], ['keys', 'Manage keys', 'Lists, makes, rotates and revokes keys.'],
];
const lines = (s: string) => s.split(/[\n,]/).map((x) => x.trim()).filter(Boolean);

export function readLimits(values: Record<string, string>): Partial<Limits> {
  const limits: Partial<Limits> = {};
  for (const l of LIMITS) {
    const text = values[l]?.trim() ?? '';
    if (text && !/^\d{1,9}$/.test(text)) throw new ApiError(422, 'validation_failed', 'It must be a whole number, or empty.', l);
    limits[l] = text ? Number(text) : null;
  }
  return limits;
}

function readCap(text: string): string | null {
  if (!text.trim()) return null;
  const amount = typedAmount(text);
  if (!amount || amount.startsWith('-')) throw new ApiError(422, 'validation_failed', 'It must be an amount in dollars, such as 5 or 0.50.', 'cap');
  return amount;
}

const expiries = [{ value: '', label: 'Never' }, { value: '1', label: 'In 1 day' }, { value: '7', label: 'In 7 days' }, { value: '30', label: 'In 30 days' }, { value: '90', label: 'In 90 days' }, { value: '365', label: 'In a year' }];

export function KeyForm({ of, onClose, onMade }: { of: Key | null; onClose: () => void; onMade: (k: Key) => void }) {
  const client = useQueryClient();
  const [scope, setScope] = useState<string[]>(of ? of.scope.split(' ') : ['inference', 'usage']);
  const [expiry, setExpiry] = useState(of?.expires_at ? 'keep' : '');
  const [more, setMore] = useState(!!of && (of.models.length > 0 || of.ips.length > 0 || Object.values(of.limits ?? {}).some((v) => v !== null)));
  const [token] = useState(once);
  const given = Object.fromEntries(LIMITS.map((l) => [l, of?.limits?.[l]?.toString() ?? '']));
  const f = useForm<Record<string, string>>({ name: of?.name ?? '', cap: of?.cap?.limit ?? '', models: of?.models.join('\n') ?? '', ips: of?.ips.join('\n') ?? '', ...given }, async (v) => {
    if (scope.length === 0) throw new ApiError(422, 'validation_failed', 'Choose at least one thing that it may do.');
    const body = {
      name: v.name!.trim(), scope: scope.join(' '), models: lines(v.models!), ips: lines(v.ips!), cap: readCap(v.cap!), limits: readLimits(v),
      ...(expiry === 'keep' ? {} : { expires_at: expiry ? new Date(Date.now() + Number(expiry) * 86_400_000).toISOString() : null }),
    };
    const k = of ? await api<Key>(`/api/keys/${of.id}`, { method: 'PATCH', body })
      : await api<Key>('/api/keys', { body: Object.fromEntries(Object.entries(body).filter(([, x]) => x !== null)), idempotent: token });
    await client.invalidateQueries({ predicate: (q) => String(q.queryKey[0]).startsWith('/api/keys') });
    if (of) { say('The key is changed.'); onClose(); } else onMade(k);
  });
  return (
    <Dialog open onClose={onClose} title={of ? `Edit ${of.name}` : 'Create an API key'} wide={more}>
      <form onSubmit={f.submit} className="space-y-5">
        <Problem>{f.general}</Problem>
        <Field label="Name" {...f.bind('name')} placeholder="Production server" autoFocus required maxLength={100} />
        <fieldset className="space-y-3 rounded-lg border border-line p-4">
          <legend className="px-1 text-sm font-medium">It may</legend>
          {scopes.map(([id, name, note]) => <Switch key={id} label={name} note={note} checked={scope.includes(id)} onChange={(on) => setScope(on ? [...scope, id] : scope.filter((s) => s !== id))} />)}
        </fieldset>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="Spending cap" optional {...f.bind('cap')} inputMode="decimal" placeholder="$5.00" note="In all, in US dollars." />
          <SelectField label="Expires" value={expiry} onChange={setExpiry} choices={of?.expires_at ? [{ value: 'keep', label: 'As it is' }, ...expiries] : expiries} />
        </div>
        <button type="button" aria-expanded={more} onClick={() => setMore(!more)} className="flex items-center gap-1 text-sm font-medium text-soft hover:text-ink"><ChevronRight className={`size-4 transition-transform ${more ? 'rotate-90' : ''}`} aria-hidden />Allowed models, addresses and rates</button>
        {more && (
          <div className="space-y-4">
            <div className="grid gap-4 sm:grid-cols-2">
              <TextField label="Only these models" optional rows={3} {...f.bind('models')} placeholder={'openai/*\nanthropic/claude-*'} note="One pattern a line." className="font-mono !text-sm" spellCheck={false} />
              <TextField label="Only from these addresses" optional rows={3} {...f.bind('ips')} placeholder={'203.0.113.7\n10.0.0.0/8'} note="Addresses or networks, one a line." className="font-mono !text-sm" spellCheck={false} />
            </div>
            <div className="grid grid-cols-2 gap-4 sm:grid-cols-3">{LIMITS.map((l) => <Field key={l} label={limitNames[l][0]} {...f.bind(l)} inputMode="numeric" placeholder="as the team" />)}</div>
          </div>
        )}
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={f.busy}>{of ? 'Save' : 'Create'}</Button></DialogFoot>
      </form>
    </Dialog>
  );
}

export function RotateDialog({ of, onClose, onDone }: { of: Key; onClose: () => void; onDone: (k: Key) => void }) {
  const client = useQueryClient();
  const [grace, setGrace] = useState('0');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const [token] = useState(once);
  const go = async () => {
    setBusy(true);
    try {
      const k = await api<Key>(`/api/keys/${of.id}/rotate`, { body: { grace_seconds: Number(grace) }, idempotent: token });
      await client.invalidateQueries({ predicate: (q) => String(q.queryKey[0]).startsWith('/api/keys') });
      onDone({ ...of, ...k });
    } catch (e) { setError(messageOf(e)); setBusy(false); }
  };
  return (
    <Dialog open onClose={onClose} title={`Rotate ${of.name}`} note="A new key with the same rights and limits takes its place.">
      <div className="space-y-4">
        <SelectField label="The old key works on for" value={grace} onChange={setGrace} note="So that running programs can be given the new one." choices={[{ value: '0', label: 'No time: it ends at once' }, { value: '300', label: '5 minutes' }, { value: '3600', label: 'An hour' }, { value: '86400', label: 'A day' }, { value: '604800', label: 'A week' }]} />
        <Problem>{error}</Problem>
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button look="primary" busy={busy} onClick={() => void go()}>Rotate</Button></DialogFoot>
      </div>
    </Dialog>
  );
}

export function Shown({ made, rotated, onClose }: { made: Key; rotated: boolean; onClose: () => void }) {
  const base = useBaseUrl();
  const secret = made.api_key;
  return (
    <Dialog open onClose={onClose} locked title={rotated ? 'Your new key' : 'Your key is made'} wide>
      {secret ? (
        <div className="space-y-4">
          <Secret of={secret} label="Copy the key" />
          <div><p className="mb-1.5 text-sm font-medium">Try it</p><Code wrap label="Example">{`curl ${base}/v1/models -H "Authorization: Bearer ${secret}"`}</Code></div>
        </div>
      ) : <Problem>This key was made before and cannot be shown again. Rotate it to get a new one.</Problem>}
      <DialogFoot><Button look="primary" onClick={onClose}>I have kept it</Button></DialogFoot>
    </Dialog>
  );
}
