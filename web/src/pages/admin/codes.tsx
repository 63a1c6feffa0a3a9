import { Ban, EllipsisVertical, Eye, Plus, Ticket } from 'lucide-react';
import { useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from 'wouter';
import { api, ApiError, once } from '@/lib/api';
import { useForm, useGet, useLate, useList, useParam, useSend, useTitle } from '@/lib/hooks';
import { typedAmount } from '@/lib/money';
import { count, date } from '@/lib/time';
import type { Code, CodeDetail } from '@/lib/types';
import { Badge, Button, Card, Empty, PageHeader, Skeleton, type Tone } from '@/ui/basic';
import { Facts, Failed, Money, paged, Secret, Table, When } from '@/ui/data';
import { Field, Problem, SearchField } from '@/ui/form';
import { say } from '@/ui/notices';
import { Confirm, Dialog, DialogFoot, Menu } from '@/ui/overlay';

const states: Record<Code['status'], [string, Tone]> = { active: ['Active', 'good'], expired: ['Expired', 'warn'], used_up: ['Used up', 'plain'], ended: ['Ended', 'plain'] };
const CodeStatus = ({ of: c }: { of: Code }) => <Badge tone={states[c.status][1]} dot>{states[c.status][0]}</Badge>;

export default function Codes() {
  useTitle('Codes');
  const [q, setQ] = useParam('q');
  const list = useList<Code>('/api/admin/codes', { q: useLate(q.trim()) });
  const [making, make] = useState(false);
  const [made, show] = useState<Code[] | null>(null);
  const [looked, look] = useState('');
  const [ending, end] = useState<Code | null>(null);
  const ended = useSend((c: Code) => [`/api/admin/codes/${c.id}/end`, { body: {} }], ['/api/admin/codes']);
  const add = <Button look="primary" icon={Plus} onClick={() => make(true)}>Make codes</Button>;
  return (
    <>
      <PageHeader title="Codes" note="Who redeems one gets promotional credit. They are stored hashed: a code is shown once, when it is made.">{(q || (list.rows?.length ?? 0) > 0) && add}</PageHeader>
      <Card flush>
        <div className="p-4"><SearchField label="Search by name" value={q} onChange={setQ} /></div>
        <Table label="Codes" rows={list.rows} {...paged(list)} id={(c) => c.id} onRow={(c) => look(c.id)} empty={<Empty icon={Ticket} title={q ? 'None' : 'No codes yet'} action={!q && add}>{q ? 'No code is called that.' : 'For a launch, a campaign, or one customer.'}</Empty>} columns={[
          { head: 'Name', cell: (c) => <div className="min-w-0"><button type="button" onClick={() => look(c.id)} className="block max-w-full truncate font-medium hover:underline">{c.name}</button><p className="font-mono text-xs text-faint">{c.hint}</p></div> },
          { head: 'Credit', right: true, cell: (c) => <Money of={c.amount} /> },
          { head: 'Redeemed', right: true, cell: (c) => <span className="num">{count(c.uses)} <span className="text-faint">of {count(c.uses_max)}</span></span> },
          { head: 'Expires', phone: 'hide', cell: (c) => <span className="text-soft">{c.expires_at ? date(c.expires_at) : 'Never'}</span> },
          { head: 'Made', phone: 'hide', cell: (c) => <span className="text-soft"><When at={c.created_at} /></span> },
          { head: 'Status', cell: (c) => <CodeStatus of={c} /> },
          { head: '', right: true, cell: (c) => (
            <Menu trigger={<Button look="quiet" size="icon" aria-label={`Actions for ${c.name}`}><EllipsisVertical className="size-4" aria-hidden /></Button>} entries={[
              { label: 'Who redeemed it', icon: Eye, onSelect: () => look(c.id) }, { label: 'End', icon: Ban, danger: true, hidden: c.status !== 'active', onSelect: () => end(c) },
            ]} />) },
        ]} />
      </Card>
      {making && <CodeForm onClose={() => make(false)} onMade={(all) => { make(false); show(all); }} />}
      {made && (
        <Dialog open locked wide onClose={() => show(null)} title={made.length === 1 ? 'Your code is made' : `${count(made.length)} codes are made`}>
          <div className="space-y-4">{made.every((c) => c.code) ? <div className="max-h-[50vh] space-y-4 overflow-y-auto"><Secret of={made.map((c) => c.code).join('\n')} label={made.length === 1 ? 'Copy the code' : 'Copy the codes'} /></div> : <Problem>They were made before and cannot be shown again.</Problem>}</div>
          <DialogFoot><Button look="primary" onClick={() => show(null)}>{made.length === 1 ? 'I have kept it' : 'I have kept them'}</Button></DialogFoot>
        </Dialog>
      )}
      {looked && <CodeDialog id={looked} onClose={() => look('')} />}
      <Confirm open={!!ending} onClose={() => end(null)} title={`End ${ending?.name ?? ''}?`} action="End the code" onConfirm={async () => { await ended.mutateAsync(ending!); say('The code is ended.'); }}>Nobody can redeem it any more. What was redeemed stays.</Confirm>
    </>
  );
}

function CodeDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const q = useGet<CodeDetail>(`/api/admin/codes/${id}`);
  const c = q.data;
  return (
    <Dialog open wide onClose={onClose} title={c?.name ?? 'Code'}>
      {!c ? q.error ? <Failed error={q.error} retry={() => void q.refetch()} /> : <Skeleton className="h-48" /> : (
        <div className="space-y-5">
          <Facts of={[
            ['Status', <CodeStatus of={c} />], ['Begins with', <span className="font-mono text-sm">{c.hint}</span>], ['Credit', <><Money of={c.amount} />{c.credit_days ? `, good for ${count(c.credit_days)} days` : ''}</>],
            ['Redeemed', `${count(c.uses)} of ${count(c.uses_max)}, by one user at most ${count(c.per_user)}`], ['Expires', c.expires_at ? date(c.expires_at) : 'Never'],
          ]} />
          <div className="overflow-hidden rounded-lg border border-line">
            <Table label="Redemptions" rows={c.redemptions} id={(r) => `${r.user?.id ?? r.team_id}${r.at}`} empty={<Empty title="Nobody has redeemed it" />} columns={[
              { head: 'By', cell: (r) => (r.user?.email ? <Link href={`/admin/customers/${r.user.id}`} className="font-medium hover:underline">{r.user.email}</Link> : <span className="font-mono text-xs">{r.team_id}</span>) },
              { head: 'When', cell: (r) => <span className="text-soft"><When at={r.at} /></span> }, { head: 'Credit', right: true, cell: (r) => <Money of={r.amount} /> },
            ]} />
          </div>
        </div>
      )}
    </Dialog>
  );
}

function whole(text: string, field: string): number | undefined {
  if (!text.trim()) return undefined;
  if (!/^\d{1,9}$/.test(text.trim())) throw new ApiError(422, 'validation_failed', 'It must be a whole number, or empty.', field);
  return Number(text);
}

function CodeForm({ onClose, onMade }: { onClose: () => void; onMade: (made: Code[]) => void }) {
  const client = useQueryClient();
  const [token] = useState(once);
  const f = useForm({ name: '', amount: '', code: '', uses_max: '1', per_user: '1', expires_at: '', credit_days: '', count: '1' }, async (v) => {
    const amount = typedAmount(v.amount);
    if (!amount) throw new ApiError(422, 'validation_failed', 'It must be an amount in dollars, such as 5 or 0.50.', 'amount');
    const body = {
      name: v.name.trim(), amount, code: v.code.trim() || undefined, uses_max: whole(v.uses_max, 'uses_max'), per_user: whole(v.per_user, 'per_user'), count: whole(v.count, 'count'),
      credit_days: whole(v.credit_days, 'credit_days'), expires_at: v.expires_at ? new Date(`${v.expires_at}T23:59:59Z`).toISOString() : undefined,
    };
    const made = await api<{ data: Code[] }>('/api/admin/codes', { body, idempotent: token });
    await client.invalidateQueries({ predicate: (q) => String(q.queryKey[0]).startsWith('/api/admin/codes') });
    onMade(made.data);
  });
  return (
    <Dialog open wide onClose={onClose} title="Make codes">
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="Name" {...f.bind('name')} note="For you; customers do not see it." autoFocus required maxLength={100} />
          <Field label="Credit in US dollars" {...f.bind('amount')} inputMode="decimal" placeholder="5.00" required />
          <Field label="How many codes" {...f.bind('count')} inputMode="numeric" note="At most 100 at once." />
          <Field label="Its own word" optional {...f.bind('code')} placeholder="LAUNCH-DAY" className="font-mono" autoComplete="off" spellCheck={false} note="Else it is drawn. Short ones can be guessed." />
          <Field label="Uses of each" {...f.bind('uses_max')} inputMode="numeric" />
          <Field label="Uses by one user" {...f.bind('per_user')} inputMode="numeric" />
          <Field label="Can be redeemed until" optional {...f.bind('expires_at')} type="date" note="The end of that day, UTC." />
          <Field label="Days that the credit lasts" optional {...f.bind('credit_days')} inputMode="numeric" note="Empty: it does not expire." />
        </div>
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={f.busy}>Make</Button></DialogFoot>
      </form>
    </Dialog>
  );
}
