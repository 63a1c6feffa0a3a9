import { Crown, EllipsisVertical, LogOut, MailPlus, Trash2, UserMinus, UsersRound, Wallet } from 'lucide-react';
import { useState } from 'react';
import { useLocation } from 'wouter';
import { api, ApiError, once } from '@/lib/api';
import { useForm, useList, useParam, useSend, useTitle } from '@/lib/hooks';
import { typedAmount } from '@/lib/money';
import { roleNotes, roles } from '@/lib/roles';
import { useFreshStart, useMay, useMe } from '@/lib/session';
import { date } from '@/lib/time';
import type { Invitation, Member, Role } from '@/lib/types';
import { Badge, Button, Card, Empty, PageHeader } from '@/ui/basic';
import { paged, Table, When } from '@/ui/data';
import { Field, Problem } from '@/ui/form';
import { Select, SelectField } from '@/ui/select';
import { say, sayError } from '@/ui/notices';
import { Confirm, Dialog, DialogFoot, Menu } from '@/ui/overlay';
import { Tabs } from '@/ui/tabs';
import { AuditTable } from './audit-table';
import { CapBar } from './keys';
import { nameOf } from './invitation';

const choices = (of: Role[]) => of.map((r) => ({ value: r, label: r[0]!.toUpperCase() + r.slice(1), note: roleNotes[r] }));

export default function TeamPage() {
  const { team } = useMe();
  useTitle('Team');
  const may = useMay();
  const [tab, setTab] = useParam('tab', 'members');
  const [inviting, invite] = useState(false);
  const tabs: [string, string][] = [['members', 'Members'], ['invitations', 'Invitations'], ...(may('audit.read') ? [['audit', 'Audit log'] as [string, string]] : []), ['settings', 'Settings']];
  return (
    <>
      <PageHeader title={team.name} note="Everybody here spends one wallet; caps say how much each may.">{may('members.write') && <Button look="primary" icon={MailPlus} onClick={() => invite(true)}>Invite</Button>}</PageHeader>
      <Tabs label="Team" value={tab} onChange={setTab} tabs={tabs}>
        {tab === 'invitations' ? <Invitations /> : tab === 'audit' ? <Card flush><AuditTable path="/api/audit" /></Card> : tab === 'settings' ? <TeamSettings key={team.id} /> : <Members />}
      </Tabs>
      {inviting && <Invite onClose={() => invite(false)} />}
    </>
  );
}

function Members() {
  const { team, user } = useMe();
  const may = useMay();
  const fresh = useFreshStart();
  const [, go] = useLocation();
  const path = `/api/teams/${team.id}/members`;
  const list = useList<Member>(path);
  const [capping, cap] = useState<Member | null>(null);
  const [removing, remove] = useState<Member | null>(null);
  const [crowning, crown] = useState<Member | null>(null);
  const change = useSend((v: { id: string; role: string }) => [`${path}/${v.id}`, { method: 'PATCH', body: { role: v.role } }], [path]);
  const drop = useSend((m: Member) => [`${path}/${m.user.id}`, { method: 'DELETE' }], [path]);
  const hand = useSend((m: Member) => [`/api/teams/${team.id}/transfer`, { body: { user_id: m.user.id } }], [path]);
  const setRole = (m: Member, role: string) => change.mutate({ id: m.user.id, role }, { onSuccess: () => say(`${m.user.name || m.user.email} is ${role} now.`), onError: sayError });
  return (
    <Card flush>
      <Table label="Members" rows={list.rows} {...paged(list)} id={(m) => m.user.id} empty={<Empty icon={UsersRound} title="Nobody" />} columns={[
        { head: 'Member', cell: (m) => <div className="flex min-w-0 items-center gap-3"><span aria-hidden className="grid size-8 shrink-0 place-items-center rounded-full bg-sunk text-sm font-semibold text-soft ring-1 ring-line">{(m.user.name || m.user.email).slice(0, 1).toUpperCase()}</span><div className="min-w-0"><p className="truncate font-medium">{m.user.name || m.user.email.split('@')[0]}{m.user.id === user.id && <span className="ml-1.5 font-normal text-faint">you</span>}</p><p className="truncate text-sm text-faint">{m.user.email}</p></div></div> },
        { head: 'Role', cell: (m) => may('members.write') && m.role !== 'owner' && m.user.id !== user.id ? <Select small label={`Role of ${m.user.email}`} value={m.role} onChange={(r) => setRole(m, r)} choices={choices(['admin', 'developer', 'viewer'])} /> : <Badge tone={m.role === 'owner' ? 'brand' : 'plain'}>{m.role}</Badge> },
        { head: 'Cap', cell: (m) => <CapBar cap={m.cap} label={`Cap of ${m.user.email}`} /> },
        { head: 'Since', phone: 'hide', cell: (m) => <span className="whitespace-nowrap text-soft">{date(m.joined_at)}</span> },
        { head: '', right: true, cell: (m) => {
          const self = m.user.id === user.id;
          if (!self && (!may('members.write') || (m.role === 'owner' && !may('team.own')))) return null;
          return <Menu trigger={<Button look="quiet" size="icon" aria-label={`Actions for ${m.user.email}`}><EllipsisVertical className="size-4" aria-hidden /></Button>} entries={[
            { label: 'Spending cap', icon: Wallet, onSelect: () => cap(m), hidden: !may('members.write') },
            { label: 'Make owner', icon: Crown, onSelect: () => crown(m), hidden: self || !may('team.own') || team.personal }, '-',
            self ? { label: 'Leave the team', icon: LogOut, danger: true, onSelect: () => remove(m), hidden: team.personal } : { label: 'Remove', icon: UserMinus, danger: true, onSelect: () => remove(m) },
          ]} />;
        } },
      ]} />
      {capping && <CapDialog path={path} of={capping} onClose={() => cap(null)} />}
      <Confirm open={!!removing} onClose={() => remove(null)} title={removing?.user.id === user.id ? `Leave ${team.name}?` : `Remove ${removing?.user.email ?? ''}?`} action={removing?.user.id === user.id ? 'Leave' : 'Remove'} onConfirm={async () => {
        await drop.mutateAsync(removing!);
        if (removing!.user.id === user.id) { await fresh(); go('/'); } else say('Removed.');
      }}>{removing?.user.id === user.id ? 'Your keys in this team end, and its credit is no longer yours to spend.' : 'Their keys in this team end at once. What they used stays on the statement.'}</Confirm>
      <Confirm open={!!crowning} onClose={() => crown(null)} title={`Hand ${team.name} to ${crowning?.user.email ?? ''}?`} action="Hand over" word={team.name} onConfirm={async () => { await hand.mutateAsync(crowning!); await fresh(); say('The team has a new owner.'); }}>You become an admin. Only the new owner can hand it back.</Confirm>
    </Card>
  );
}

function CapDialog({ path, of, onClose }: { path: string; of: Member; onClose: () => void }) {
  const save = useSend((cap: string | null) => [`${path}/${of.user.id}`, { method: 'PATCH', body: { cap } }], [path]);
  const f = useForm({ cap: of.cap?.limit ?? '' }, async (v) => {
    const amount = v.cap.trim() ? typedAmount(v.cap) : null;
    if (v.cap.trim() && (!amount || amount.startsWith('-'))) throw new ApiError(422, 'validation_failed', 'It must be an amount in dollars, such as 25 or 0.50.', 'cap');
    await save.mutateAsync(amount);
    say('The cap is changed.');
    onClose();
  });
  return (
    <Dialog open onClose={onClose} title="Spending cap" note={`What ${of.user.name || of.user.email} may spend of the team's credit, in all.`}>
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <Field label="Cap in US dollars" {...f.bind('cap')} inputMode="decimal" placeholder="No cap" note={of.cap ? `Spent so far: $${of.cap.spent}. Leave it empty for no cap.` : 'Leave it empty for no cap.'} autoFocus />
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={f.busy}>Save</Button></DialogFoot>
      </form>
    </Dialog>
  );
}

function Invite({ onClose }: { onClose: () => void }) {
  const { team } = useMe();
  const [role, setRole] = useState<string>('developer');
  const [token] = useState(once);
  const path = `/api/teams/${team.id}/invitations`;
  const send = useSend((email: string) => [path, { body: { email, role }, idempotent: token }], [path]);
  const f = useForm({ email: '' }, async (v) => { await send.mutateAsync(v.email.trim()); say(`${v.email.trim()} is invited.`); onClose(); });
  return (
    <Dialog open onClose={onClose} title={`Invite to ${team.name}`} note="They get a mail with a link.">
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <Field label="E-mail" type="email" {...f.bind('email')} autoFocus required />
        <SelectField label="Role" value={role} onChange={setRole} choices={choices(roles.filter((r) => r !== 'owner'))} note={roleNotes[role as Role]} />
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={f.busy}>Send the invitation</Button></DialogFoot>
      </form>
    </Dialog>
  );
}

function Invitations() {
  const { team } = useMe();
  const may = useMay();
  const path = `/api/teams/${team.id}/invitations`;
  const list = useList<Invitation>(path);
  const withdraw = useSend((i: Invitation) => [`${path}/${i.id}`, { method: 'DELETE' }], [path]);
  return (
    <Card flush>
      <Table label="Invitations" rows={list.rows} {...paged(list)} id={(i) => i.id} empty={<Empty icon={MailPlus} title="No invitations">Whoever is invited is listed here until he has joined.</Empty>} columns={[
        { head: 'E-mail', cell: (i) => <span className="font-medium">{i.email}</span> },
        { head: 'Role', cell: (i) => <Badge>{i.role}</Badge> },
        { head: 'By', phone: 'hide', cell: (i) => <span className="text-soft">{nameOf(i.invited_by as never)}</span> },
        { head: 'Expires', cell: (i) => <span className="text-soft"><When at={i.expires_at} /></span> },
        { head: 'Status', cell: (i) => <Badge tone={i.status === 'accepted' ? 'good' : i.status === 'pending' ? 'brand' : 'plain'} dot>{i.status}</Badge> },
        { head: '', right: true, cell: (i) => may('members.write') && i.status === 'pending' ? <Button size="sm" look="quiet" onClick={() => withdraw.mutate(i, { onSuccess: () => say('Withdrawn.'), onError: sayError })}>Withdraw</Button> : null },
      ]} />
    </Card>
  );
}

function TeamSettings() {
  const { team } = useMe();
  const may = useMay();
  const fresh = useFreshStart();
  const [, go] = useLocation();
  const [ending, end] = useState(false);
  const f = useForm({ name: team.name }, async (v) => { await api(`/api/teams/${team.id}`, { method: 'PATCH', body: { name: v.name.trim() } }); await fresh(); say('Saved.'); });
  return (
    <div className="space-y-4">
      <Card title="Name">
        <form onSubmit={f.submit} className="flex max-w-lg flex-wrap items-end gap-3">
          <div className="min-w-52 flex-1"><Field label="Team name" {...f.bind('name')} disabled={!may('team.write')} required maxLength={100} /></div>
          {may('team.write') && <Button type="submit" look="primary" busy={f.busy} disabled={f.values.name.trim() === team.name}>Save</Button>}
        </form>
        <div className="mt-3"><Problem>{f.general}</Problem></div>
      </Card>
      {may('team.own') && !team.personal && (
        <Card title="Delete the team" note="Its keys end at once. What it spent stays in the books.">
          <Button look="danger" icon={Trash2} onClick={() => end(true)}>Delete {team.name}</Button>
          <Confirm open={ending} onClose={() => end(false)} title={`Delete ${team.name}?`} word={team.name} action="Delete the team" onConfirm={async (typed) => { await api(`/api/teams/${team.id}`, { method: 'DELETE', body: { confirm: typed } }); await fresh(); go('/'); say('The team is gone.'); }}>All its keys stop working, and what is left of its credit is lost.</Confirm>
        </Card>
      )}
    </div>
  );
}
