import { useState } from 'react';
import { useSearch } from 'wouter';
import { api, messageOf, query } from '@/lib/api';
import { useEnter } from '@/lib/auth';
import { useGet, useTitle } from '@/lib/hooks';
import { useWho } from '@/lib/session';
import type { Team } from '@/lib/types';
import { Gate } from '@/layout/gate';
import { Button, LinkButton, Skeleton } from '@/ui/basic';
import { Problem } from '@/ui/form';
import { roleNotes } from '@/lib/roles';
import type { Role } from '@/lib/types';

interface Invite { team: { name: string }; email: string; role: Role; invited_by: { email?: string; name?: string } | string | null; status: string }
export const nameOf = (who: Invite['invited_by']) => (typeof who === 'string' ? who : who?.name || who?.email || 'Somebody');

export default function Invitation() {
  useTitle('Invitation');
  const token = new URLSearchParams(useSearch()).get('token') ?? '';
  const me = useWho();
  const enter = useEnter();
  const q = useGet<Invite>(token ? `/api/invitations/${encodeURIComponent(token)}` : null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const accept = async () => {
    setBusy(true);
    try {
      const r = await api<{ team: Team }>(`/api/invitations/${encodeURIComponent(token)}/accept`, { body: {} });
      await api('/api/me/team', { body: { team_id: r.team.id } }).catch(() => undefined);
      await enter('/');
    } catch (e) { setError(messageOf(e)); setBusy(false); }
  };
  if (!token) return <Gate title="This link is not complete"><Problem>Open it from the mail again.</Problem></Gate>;
  if (q.error) return <Gate title="This invitation does not work"><Problem>{messageOf(q.error)}</Problem></Gate>;
  const i = q.data;
  if (!i) return <Gate title="Invitation"><Skeleton className="h-24" /></Gate>;
  if (i.status !== 'pending' && i.status !== 'open')
    return <Gate title="This invitation is over" note={`It was ${i.status}. Ask ${nameOf(i.invited_by)} for another one.`}><LinkButton to="/" look="primary" className="w-full">Go to the start</LinkButton></Gate>;
  const here = `/invitation${query({ token })}`;
  return (
    <Gate title={`Join ${i.team.name}`} note={<>{nameOf(i.invited_by)} invites you as <b className="font-medium text-ink">{i.role}</b>. {roleNotes[i.role]}</>}>
      <div className="space-y-3">
        <Problem>{error}</Problem>
        {me ? (
          <>
            {me.user.email.toLowerCase() !== i.email.toLowerCase() && <Problem>The invitation is for {i.email}; you are signed in as {me.user.email}.</Problem>}
            <Button look="primary" busy={busy} onClick={() => void accept()} className="w-full">Join the team</Button>
          </>
        ) : (
          <>
            <p className="text-soft">For <b className="font-medium text-ink">{i.email}</b>.</p>
            <LinkButton to={`/sign-up${query({ invitation: token, email: i.email, next: here })}`} look="primary" className="w-full">Create an account</LinkButton>
            <LinkButton to={`/sign-in${query({ next: here })}`} className="w-full">I have one: sign in</LinkButton>
          </>
        )}
      </div>
    </Gate>
  );
}
