import { Lock } from 'lucide-react';
import { useForm, useGet, useSend, useTitle } from '@/lib/hooks';
import { usd } from '@/lib/money';
import { LIMITS, type HouseSettings as Found } from '@/lib/types';
import { Badge, Button, Card, PageHeader, Skeleton } from '@/ui/basic';
import { Facts, Failed } from '@/ui/data';
import { Field, Problem } from '@/ui/form';
import { say } from '@/ui/notices';
import { limitNames, readLimits } from '../key-dialogs';

const Fixed = () => <span className="flex items-center gap-1.5 text-sm text-faint"><Lock className="size-3.5" aria-hidden />from the configuration file</span>;
const who: Record<string, string> = { open: 'Everybody', invitation: 'Who is invited', closed: 'Nobody' };

export default function HouseSettings() {
  useTitle('House settings');
  const q = useGet<Found>('/api/admin/settings');
  const s = q.data;
  if (q.error && !s) return <><PageHeader title="House settings" /><Failed error={q.error} retry={() => void q.refetch()} /></>;
  return (
    <>
      <PageHeader title="House settings" note="What the configuration file sets is shown here and changed there." />
      {!s ? <Skeleton className="h-96 max-w-3xl" /> : (
        <div className="max-w-3xl space-y-4">
          <HouseLimits of={s} />
          <Card title="Sign-up" action={<Fixed />}><Facts of={[['Who may sign up', who[s.signup] ?? s.signup], ['Welcome credit', <span className="num">{usd(s.intro_credit)}</span>], ['Reached at', <span className="break-all font-mono text-sm">{s.public_url || '—'}</span>]]} /></Card>
          <Card title="Brand" action={<Fixed />}>
            <Facts of={[['Name', s.brand.name], ['Colour', <span className="inline-flex items-center gap-2"><span aria-hidden className="size-4 rounded border border-line" style={{ background: s.brand.color }} /><span className="font-mono text-sm">{s.brand.color || '—'}</span></span>], ['Logo', <span className="break-all font-mono text-sm">{s.brand.logo_url || 'none'}</span>]]} />
          </Card>
          <Card title="E-mail" note="Without it nobody can verify an address or reset a password." action={<Fixed />}><Facts of={[['Mail server', s.smtp.configured ? <Badge tone="good" dot>Set up</Badge> : <Badge tone="warn" dot>Not set up: mails wait</Badge>]]} /></Card>
        </div>
      )}
    </>
  );
}

function HouseLimits({ of: s }: { of: Found }) {
  const send = useSend((limits: unknown) => ['/api/admin/settings', { method: 'PATCH', body: { limits } }], ['/api/admin/settings']);
  const f = useForm<Record<string, string>>(Object.fromEntries(LIMITS.map((l) => [l, s.limits?.[l]?.toString() ?? ''])), async (v) => { await send.mutateAsync(readLimits(v)); say('The limits are changed.'); });
  return (
    <Card title="Limits of everybody together" note="So that one crowd cannot take the house down. Empty: as the configuration file says; 0: off.">
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <div className="grid grid-cols-2 gap-4 sm:grid-cols-3">{LIMITS.map((l) => <Field key={l} label={limitNames[l][0]} {...f.bind(l)} inputMode="numeric" placeholder="as configured" />)}</div>
        <Button type="submit" look="primary" busy={f.busy}>Save</Button>
      </form>
    </Card>
  );
}
