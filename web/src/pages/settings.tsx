import { useState } from 'react';
import { useLocation } from 'wouter';
import { useQueryClient } from '@tanstack/react-query';
import { ShieldCheck, Trash2 } from 'lucide-react';
import { api } from '@/lib/api';
import { useForm, useTitle } from '@/lib/hooks';
import { useFreshStart, useMe } from '@/lib/session';
import { setTheme, useTheme, type Theme } from '@/lib/theme';
import { date } from '@/lib/time';
import { Badge, Button, Card, LinkButton, PageHeader } from '@/ui/basic';
import { Facts } from '@/ui/data';
import { Field, Problem } from '@/ui/form';
import { say } from '@/ui/notices';
import { Dialog, DialogFoot } from '@/ui/overlay';
import { Segments } from '@/ui/tabs';

export default function Settings() {
  useTitle('Settings');
  const { user } = useMe();
  const theme = useTheme();
  const client = useQueryClient();
  const f = useForm({ name: user.name ?? '', company: user.company ?? '' }, async (v) => {
    await api('/api/me', { method: 'PATCH', body: { name: v.name.trim(), company: v.company.trim() } });
    await client.refetchQueries({ queryKey: ['me'] });
    say('Saved.');
  });
  return (
    <>
      <PageHeader title="Settings" note="You, whichever team you are in."><LinkButton to="/security" icon={ShieldCheck}>Security</LinkButton></PageHeader>
      <div className="max-w-3xl space-y-4">
        <Card title="Profile">
          <form onSubmit={f.submit} className="space-y-4">
            <Problem>{f.general}</Problem>
            <div className="grid gap-4 sm:grid-cols-2"><Field label="Name" {...f.bind('name')} autoComplete="name" /><Field label="Company" {...f.bind('company')} autoComplete="organization" /></div>
            <Button type="submit" look="primary" busy={f.busy}>Save</Button>
          </form>
        </Card>
        <EmailCard />
        <Card title="Appearance" action={<Segments label="Theme" value={theme} onChange={(v) => setTheme(v as Theme)} options={[['system', 'System'], ['light', 'Light'], ['dark', 'Dark']]} />} />
        <Card title="Account">
          <Facts of={[['Number', <span className="break-all font-mono text-sm">{user.id}</span>], ['Since', date(user.created_at)], ['Operator', user.is_operator ? 'Yes' : 'No']]} />
          <EndAccount />
        </Card>
      </div>
    </>
  );
}

function EmailCard() {
  const { user } = useMe();
  const [open, setOpen] = useState(false);
  const [sent, setSent] = useState(false);
  const f = useForm({ email: '', password: '' }, async (v) => { await api('/api/auth/email', { body: { email: v.email.trim(), password: v.password } }); setSent(true); });
  return (
    <Card title="E-mail address" action={<Button size="sm" onClick={() => { setSent(false); f.reset(); setOpen(true); }}>Change</Button>}>
      <p className="flex flex-wrap items-center gap-2"><span className="font-medium">{user.email}</span>{user.email_verified ? <Badge tone="good" dot>Verified</Badge> : <Badge tone="warn" dot>Not verified</Badge>}</p>
      <Dialog open={open} onClose={() => setOpen(false)} title="Change the e-mail address">
        {sent ? <><p className="prose-soft" role="status">We sent a link to <b className="font-medium text-ink">{f.values.email}</b>. The address changes when it is opened.</p><DialogFoot><Button look="primary" onClick={() => setOpen(false)}>Good</Button></DialogFoot></> : (
          <form onSubmit={f.submit} className="space-y-4">
            <Problem>{f.general}</Problem>
            <Field label="New address" type="email" {...f.bind('email')} autoFocus required />
            <Field label="Your password" type="password" {...f.bind('password')} autoComplete="current-password" required />
            <DialogFoot><Button onClick={() => setOpen(false)}>Cancel</Button><Button type="submit" look="primary" busy={f.busy}>Send the link</Button></DialogFoot>
          </form>
        )}
      </Dialog>
    </Card>
  );
}

function EndAccount() {
  const { user } = useMe();
  const [open, setOpen] = useState(false);
  const fresh = useFreshStart();
  const [, go] = useLocation();
  const f = useForm({ confirm: '', password: '' }, async (v) => {
    await api('/api/me', { method: 'DELETE', body: { confirm: v.confirm.trim(), ...(user.has_password && { password: v.password }) } });
    go('/');
    await fresh();
  });
  return (
    <div className="mt-5 flex flex-wrap items-center justify-between gap-3 border-t border-line pt-4">
      <p className="text-sm text-soft">Your person is removed for good; what was bought and spent stays in the books.</p>
      <Button icon={Trash2} className="!text-bad" onClick={() => setOpen(true)}>Delete my account</Button>
      <Dialog open={open} onClose={() => setOpen(false)} title="Delete your account?" note="Your keys end, and the credit of your personal team is lost. This cannot be taken back.">
        <form onSubmit={f.submit} className="space-y-4">
          <Problem>{f.general}</Problem>
          <Field label={`Type ${user.email} to confirm`} {...f.bind('confirm')} autoComplete="off" />
          {user.has_password && <Field label="Your password" type="password" {...f.bind('password')} autoComplete="current-password" required />}
          <DialogFoot><Button onClick={() => setOpen(false)}>Cancel</Button><Button type="submit" look="danger" busy={f.busy} disabled={f.values.confirm.trim().toLowerCase() !== user.email.toLowerCase()}>Delete my account</Button></DialogFoot>
        </form>
      </Dialog>
    </div>
  );
}
