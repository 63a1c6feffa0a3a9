import { CircleCheck, CircleX, Laptop } from 'lucide-react';
import { useState } from 'react';
import { useSearch } from 'wouter';
import { api, ApiError, messageOf } from '@/lib/api';
import { useForm, useGet, useTitle } from '@/lib/hooks';
import { useMe } from '@/lib/session';
import { Gate } from '@/layout/gate';
import { Button, Skeleton } from '@/ui/basic';
import { Facts, When } from '@/ui/data';
import { Field, Problem } from '@/ui/form';
import { SelectField } from '@/ui/select';

interface Ask { user_code: string; name: string; address: string; created_at: string; expires_at: string; status: string }
const clean = (code: string) => code.toUpperCase().replace(/[^A-Z0-9]/g, '').replace(/^(.{4})(.{1,4}).*$/, '$1-$2');

export default function Device() {
  useTitle('Sign a device in');
  const [code, setCode] = useState(clean(new URLSearchParams(useSearch()).get('code') ?? ''));
  const f = useForm({ code }, async (v) => setCode(clean(v.code)));
  if (!code)
    return (
      <Gate title="Sign a device in" note="Enter the code that your terminal shows.">
        <form onSubmit={f.submit} className="space-y-4">
          <Field label="Code" name="code" value={f.values.code} onChange={(e) => f.set('code', clean(e.target.value))} placeholder="ABCD-EFGH" autoComplete="off" autoCapitalize="characters" spellCheck={false} autoFocus required className="!h-12 text-center font-mono text-xl tracking-[0.2em]" />
          <Button type="submit" look="primary" className="w-full">Continue</Button>
        </form>
      </Gate>
    );
  return <Decide code={code} again={() => setCode('')} />;
}

function Decide({ code, again }: { code: string; again: () => void }) {
  const { team, teams, user } = useMe();
  const q = useGet<Ask>(`/api/auth/device/${encodeURIComponent(code)}`);
  const [to, setTo] = useState(team.id);
  const [state, setState] = useState<{ busy?: boolean; error?: string; done?: 'yes' | 'no' }>({});
  const decide = async (approve: boolean) => {
    setState({ busy: true });
    try {
      await api('/api/auth/device/decide', { body: { user_code: code, approve, ...(approve && { team_id: to }) } });
      setState({ done: approve ? 'yes' : 'no' });
    } catch (e) { setState({ error: messageOf(e) }); }
  };
  if (q.error)
    return (
      <Gate title="This code does not work" note={q.error instanceof ApiError && q.error.status === 404 ? 'It is mistyped, used, or older than its time. Begin again in your terminal.' : undefined}>
        <div className="space-y-4"><Problem>{messageOf(q.error)}</Problem><Button className="w-full" onClick={again}>Enter another code</Button></div>
      </Gate>
    );
  if (!q.data) return <Gate title="Sign a device in"><Skeleton className="h-40" /></Gate>;
  if (state.done || q.data.status !== 'pending') {
    const yes = state.done ? state.done === 'yes' : q.data.status === 'approved';
    const Icon = yes ? CircleCheck : CircleX;
    return (
      <Gate title={yes ? 'The device is signed in' : 'The device was turned away'}>
        <p role="status" className="flex items-start gap-3 text-soft"><Icon className={`mt-0.5 size-5 shrink-0 ${yes ? 'text-good' : 'text-bad'}`} aria-hidden />{yes ? `Go back to your terminal. The key is in your list, named ${q.data.name}; revoke it there when the device is gone.` : 'Nothing was given to it. You can close this page.'}</p>
      </Gate>
    );
  }
  return (
    <Gate title="Sign this device in?" note="Only if you began this yourself, a moment ago." wide>
      <div className="space-y-5">
        <p className="rounded-lg border border-line bg-sunk py-4 text-center font-mono text-2xl font-semibold tracking-[0.18em]" aria-label={`Code ${code.split('').join(' ')}`}>{code}</p>
        <p className="flex items-center gap-2 font-medium"><Laptop className="size-4 text-faint" aria-hidden />{q.data.name}</p>
        <Facts of={[['Asked from', q.data.address], ['Asked', <When at={q.data.created_at} />], ['Good until', <When at={q.data.expires_at} />], ['As', user.email]]} />
        {teams.length > 1 && <SelectField label="It spends the credit of" value={to} onChange={setTo} choices={teams.map((t) => ({ value: t.id, label: t.name }))} />}
        <p className="text-sm text-faint">It gets an API key that spends this team's credit. The code must be the same as in your terminal.</p>
        <Problem>{state.error}</Problem>
        <div className="grid grid-cols-2 gap-3"><Button onClick={() => void decide(false)} disabled={state.busy}>Turn away</Button><Button look="primary" busy={state.busy} onClick={() => void decide(true)}>Sign in</Button></div>
      </div>
    </Gate>
  );
}
