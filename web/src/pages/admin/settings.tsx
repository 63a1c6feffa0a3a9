import { useState } from 'react';
import { Lock } from 'lucide-react';
import { ApiError } from '@/lib/api';
import { useForm, useGet, useSend, useTitle } from '@/lib/hooks';
import { typedAmount } from '@/lib/money';
import { Badge, Button, Card, PageHeader, Skeleton } from '@/ui/basic';
import { Facts, Failed } from '@/ui/data';
import { Field, Problem } from '@/ui/form';
import { SelectField } from '@/ui/select';
import { say } from '@/ui/notices';

type Found = Record<string, unknown>;
// A value stands alone, or with what the configuration file says about it.
const valueOf = (v: unknown): unknown => (v && typeof v === 'object' && 'value' in v ? (v as { value: unknown }).value : v);
const isFixed = (all: Found, name: string): boolean => {
  const v = all[name];
  const list = all.read_only ?? all.fixed;
  return (!!v && typeof v === 'object' && (v as { read_only?: boolean }).read_only === true) || (Array.isArray(list) && list.includes(name));
};
const textOf = (v: unknown) => (v === null || v === undefined || v === '' ? '—' : typeof v === 'object' ? JSON.stringify(v) : String(v));
const nice = (k: string) => k.replace(/_/g, ' ').replace(/^./, (c) => c.toUpperCase());
const Fixed = () => <span className="flex items-center gap-1 text-xs text-faint"><Lock className="size-3" aria-hidden />set in the configuration file</span>;

export default function HouseSettings() {
  useTitle('House settings');
  const q = useGet<Found>('/api/admin/settings');
  if (q.error && !q.data) return <><PageHeader title="House settings" /><Failed error={q.error} retry={() => void q.refetch()} /></>;
  const s = q.data;
  const group = (name: string, title: string, note: string) => {
    const v = s && (valueOf(s[name]) as Found | undefined);
    return v && typeof v === 'object' && !Array.isArray(v) && Object.keys(v).length > 0 ? <Card title={title} note={note} action={isFixed(s!, name) && <Fixed />}><Facts of={Object.entries(v).map(([k, x]) => [nice(k), <span className="num break-all">{typeof valueOf(x) === 'boolean' ? <Badge tone={valueOf(x) ? 'good' : 'plain'} dot>{valueOf(x) ? 'Yes' : 'No'}</Badge> : textOf(valueOf(x))}</span>])} /></Card> : null;
  };
  return (
    <>
      <PageHeader title="House settings" note="What the configuration file sets is shown here and changed there." />
      <div className="max-w-3xl space-y-4">
        {s ? <SignUp of={s} /> : <Skeleton className="h-56" />}
        {group('brand', 'Brand', 'What customers see.')}
        {group('limits', 'Limits', 'Of every customer who has none of his own; 0 is off.')}
        {group('smtp', 'E-mail', 'How mails leave the house.')}
        {s && Array.isArray(valueOf(s.providers)) && <Card title="Sign-in with other accounts"><Facts of={(valueOf(s.providers) as (string | { id?: string; name?: string; issuer?: string })[]).map((p) => (typeof p === 'string' ? [p, 'on'] : [p.name ?? p.id ?? '', p.issuer ?? 'on']))} />{(valueOf(s.providers) as unknown[]).length === 0 && <p className="text-soft">None is set up.</p>}</Card>}
      </div>
    </>
  );
}

function SignUp({ of: s }: { of: Found }) {
  const [mode, setMode] = useState(String(valueOf(s.signup) ?? 'open'));
  const send = useSend((body: unknown) => ['/api/admin/settings', { method: 'PATCH', body }], ['/api/admin/settings', '/api/auth/options']);
  const fixedMode = isFixed(s, 'signup'), fixedCredit = isFixed(s, 'intro_credit');
  const f = useForm({ intro_credit: String(valueOf(s.intro_credit) ?? '') }, async (v) => {
    const amount = typedAmount(v.intro_credit);
    if (!fixedCredit && (!amount || amount.startsWith('-'))) throw new ApiError(422, 'validation_failed', 'It must be an amount in dollars; 0 for none.', 'intro_credit');
    await send.mutateAsync({ ...(!fixedMode && { signup: mode }), ...(!fixedCredit && { intro_credit: amount }) });
    say('Saved.');
  });
  return (
    <Card title="Sign-up">
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <div className="grid gap-4 sm:grid-cols-2">
          {fixedMode ? <div><p className="mb-1.5 text-sm font-medium">Who may sign up</p><p>{mode}</p><Fixed /></div> : <SelectField label="Who may sign up" value={mode} onChange={setMode} choices={[{ value: 'open', label: 'Everybody' }, { value: 'invitation', label: 'Who is invited' }, { value: 'closed', label: 'Nobody' }]} />}
          <Field label="Welcome credit in US dollars" {...f.bind('intro_credit')} inputMode="decimal" disabled={fixedCredit} note={fixedCredit ? <Fixed /> : 'Given once for each verified address.'} />
        </div>
        {!(fixedMode && fixedCredit) && <Button type="submit" look="primary" busy={f.busy}>Save</Button>}
      </form>
    </Card>
  );
}
