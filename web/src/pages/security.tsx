import { Download, KeyRound, Link2, MonitorSmartphone, ShieldCheck, ShieldOff } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { useLocation } from 'wouter';
import { useQueryClient } from '@tanstack/react-query';
import { api } from '@/lib/api';
import { useForm, useList, useSend, useTitle } from '@/lib/hooks';
import { brandName, useFreshStart, useMe, useOptions } from '@/lib/session';
import type { Identity, Session } from '@/lib/types';
import { Badge, Button, Card, Empty, PageHeader } from '@/ui/basic';
import { CopyButton, paged, Table, When } from '@/ui/data';
import { Field, Problem } from '@/ui/form';
import { say, sayError } from '@/ui/notices';
import { Confirm, Dialog, DialogFoot } from '@/ui/overlay';

export default function Security() {
  useTitle('Security');
  return (
    <>
      <PageHeader title="Security" note="How you prove who you are, and where you are signed in." />
      <div className="max-w-3xl space-y-4"><Password /><TwoFactor /><Elsewhere /><Sessions /></div>
    </>
  );
}

function Password() {
  const { user } = useMe();
  const f = useForm({ old: '', new: '' }, async (v) => {
    await api('/api/auth/password', { body: v });
    f.reset();
    say('Your password is changed. Other sessions were ended.');
  });
  if (!user.has_password) return <Card title="Password"><p className="prose-soft">You sign in through another account and have no password here. With “Forgot it?” on the sign-in page you can set one.</p></Card>;
  return (
    <Card title="Password" note="Changing it ends your other sessions.">
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <div className="grid gap-4 sm:grid-cols-2"><Field label="Present password" type="password" {...f.bind('old')} autoComplete="current-password" required /><Field label="New password" type="password" {...f.bind('new')} autoComplete="new-password" minLength={8} required /></div>
        <Button type="submit" look="primary" busy={f.busy}>Change the password</Button>
      </form>
    </Card>
  );
}

type Doing = 'on' | 'off' | 'codes' | null;
function TwoFactor() {
  const { user } = useMe();
  const [doing, set] = useState<Doing>(null);
  const on = user.totp_enabled;
  return (
    <Card title={<span className="flex items-center gap-2.5">Two-factor codes {on ? <Badge tone="good" dot>On</Badge> : <Badge dot>Off</Badge>}</span>} note="Besides the password, a code from an authenticator on your phone."
      action={on ? <div className="flex gap-2"><Button size="sm" icon={KeyRound} onClick={() => set('codes')}>New recovery codes</Button><Button size="sm" icon={ShieldOff} onClick={() => set('off')}>Turn off</Button></div> : <Button size="sm" look="primary" icon={ShieldCheck} onClick={() => set('on')}>Turn on</Button>}>
      {doing === 'on' && <TurnOn onClose={() => set(null)} />}
      {(doing === 'off' || doing === 'codes') && <Prove doing={doing} onClose={() => set(null)} />}
    </Card>
  );
}

function Codes({ codes, onClose }: { codes: string[]; onClose: () => void }) {
  const text = codes.join('\n');
  const href = `data:text/plain;charset=utf-8,${encodeURIComponent(`Recovery codes for ${brandName}; each works once.\n\n${text}\n`)}`;
  return (
    <div className="space-y-4">
      <p className="prose-soft">Each of these works once when your phone is not at hand. <b className="font-medium text-ink">They are shown only now.</b></p>
      <ul aria-label="Recovery codes" className="num grid grid-cols-2 gap-x-6 gap-y-1.5 rounded-lg border border-line bg-sunk p-4 font-mono">{codes.map((c) => <li key={c}>{c}</li>)}</ul>
      <div className="flex gap-2"><CopyButton text={text} label="Copy all" /><a href={href} download="recovery-codes.txt" className="inline-flex h-8 items-center gap-1.5 rounded-md border border-line-strong bg-panel px-2.5 text-sm font-medium shadow-card hover:bg-sunk"><Download className="size-3.5" aria-hidden />Download</a></div>
      <DialogFoot><Button look="primary" onClick={onClose}>I have kept them</Button></DialogFoot>
    </div>
  );
}

// The server's picture, shown as one, so that nothing in it can run.
const pictureOf = (svg: string) => `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;

function TurnOn({ onClose }: { onClose: () => void }) {
  const { user } = useMe();
  const client = useQueryClient();
  const [start, setStart] = useState<{ secret: string; otpauth_uri: string; qr_svg: string } | null>(null);
  const [codes, setCodes] = useState<string[] | null>(null);
  const codeRef = useRef<HTMLInputElement>(null);
  const first = useForm({ password: '' }, async (v) => setStart(await api('/api/auth/totp/start', { body: user.has_password ? { password: v.password } : {} })));
  const second = useForm({ code: '' }, async (v) => {
    const r = await api<{ recovery_codes: string[] }>('/api/auth/totp/confirm', { body: { code: v.code.replace(/\s/g, '') } });
    setCodes(r.recovery_codes);
  });
  useEffect(() => { codeRef.current?.focus(); }, [start]);
  const close = () => { void client.refetchQueries({ queryKey: ['me'] }); onClose(); };
  return (
    <Dialog open onClose={close} locked={!!codes} title={codes ? 'Keep your recovery codes' : 'Turn two-factor codes on'}>
      {codes ? <Codes codes={codes} onClose={() => { say('Two-factor codes are on.'); close(); }} /> : !start ? (
        <form onSubmit={first.submit} className="space-y-4">
          <Problem>{first.general}</Problem>
          {user.has_password ? <Field label="Your password" type="password" {...first.bind('password')} autoComplete="current-password" autoFocus required /> : <p className="prose-soft">You need an authenticator app on your phone.</p>}
          <DialogFoot><Button onClick={close}>Cancel</Button><Button type="submit" look="primary" busy={first.busy}>Continue</Button></DialogFoot>
        </form>
      ) : (
        <form onSubmit={second.submit} className="space-y-4">
          <p className="prose-soft">Scan this with your authenticator, then enter the code that it shows.</p>
          <div className="flex justify-center"><img src={pictureOf(start.qr_svg)} alt="QR code for your authenticator" className="size-48 rounded-lg border border-line bg-white p-3" /></div>
          <div className="flex items-center justify-between gap-2 rounded-md border border-line bg-sunk px-3 py-2"><span className="min-w-0"><span className="block text-xs text-faint">or type this</span><code data-totp-secret={start.secret} className="break-all font-mono text-sm">{start.secret.replace(/(.{4})(?=.)/g, '$1 ')}</code></span><CopyButton small text={start.secret} label="Copy the secret" /></div>
          <Problem>{second.general}</Problem>
          <Field ref={codeRef} label="Code" {...second.bind('code')} inputMode="numeric" autoComplete="one-time-code" required className="num text-center font-mono text-lg tracking-[0.2em]" />
          <DialogFoot><Button onClick={close}>Cancel</Button><Button type="submit" look="primary" busy={second.busy}>Turn on</Button></DialogFoot>
        </form>
      )}
    </Dialog>
  );
}

function Prove({ doing, onClose }: { doing: 'off' | 'codes'; onClose: () => void }) {
  const { user } = useMe();
  const client = useQueryClient();
  const [codes, setCodes] = useState<string[] | null>(null);
  const f = useForm({ password: '', code: '' }, async (v) => {
    const body = { ...(user.has_password && { password: v.password }), code: v.code.replace(/\s/g, '') };
    if (doing === 'codes') { setCodes((await api<{ recovery_codes: string[] }>('/api/auth/totp/recovery', { body })).recovery_codes); return; }
    await api('/api/auth/totp/disable', { body });
    await client.refetchQueries({ queryKey: ['me'] });
    say('Two-factor codes are off.');
    onClose();
  });
  return (
    <Dialog open onClose={onClose} locked={!!codes} title={codes ? 'Keep your recovery codes' : doing === 'off' ? 'Turn two-factor codes off' : 'New recovery codes'} note={codes ? undefined : doing === 'codes' ? 'The old ones stop working.' : undefined}>
      {codes ? <Codes codes={codes} onClose={onClose} /> : (
        <form onSubmit={f.submit} className="space-y-4">
          <Problem>{f.general}</Problem>
          {user.has_password && <Field label="Your password" type="password" {...f.bind('password')} autoComplete="current-password" autoFocus required />}
          <Field label="Code" note="From your authenticator, or a recovery code." {...f.bind('code')} autoComplete="one-time-code" required />
          <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look={doing === 'off' ? 'danger' : 'primary'} busy={f.busy}>{doing === 'off' ? 'Turn off' : 'Make new codes'}</Button></DialogFoot>
        </form>
      )}
    </Dialog>
  );
}

// Other accounts to sign in with: the way there and back links them, when the token says that it was
// this page that asked.
function Elsewhere() {
  const { options } = useOptions();
  const { csrf_token } = useMe();
  const list = useList<Identity>('/api/auth/identities');
  const [leaving, leave] = useState<Identity | null>(null);
  const free = options.providers.filter((p) => !list.rows?.some((i) => i.provider === p.id));
  if (options.providers.length === 0 && !list.rows?.length) return null;
  return (
    <Card flush title="Sign in with another account" note="Connect one, and it lets you in the next time."
      action={free.length > 0 && <div className="flex flex-wrap gap-2">{free.map((p) => <a key={p.id} href={`/api/auth/oidc/${encodeURIComponent(p.id)}/start?redirect=/security&link=${encodeURIComponent(csrf_token)}`} className="inline-flex h-8 items-center rounded-md border border-line-strong bg-panel px-2.5 text-sm font-medium shadow-card hover:bg-sunk">Connect {p.name}</a>)}</div>}>
      <Table label="Connected accounts" rows={list.rows} {...paged(list)} id={(i) => i.id} empty={<Empty icon={Link2} title="None is connected" />} columns={[
        { head: 'Account', cell: (i) => <div className="min-w-0"><p className="font-medium">{i.name}</p>{i.email && <p className="truncate text-xs text-faint">{i.email}</p>}</div> },
        { head: 'Since', phone: 'hide', cell: (i) => <span className="text-soft"><When at={i.linked_at} /></span> },
        { head: '', right: true, cell: (i) => i.removable ? <Button size="sm" look="quiet" onClick={() => leave(i)}>Disconnect</Button> : <span className="text-xs text-faint">Your only way in</span> },
      ]} />
      {leaving && <Disconnect identity={leaving} onClose={() => leave(null)} />}
    </Card>
  );
}

function Disconnect({ identity, onClose }: { identity: Identity; onClose: () => void }) {
  const { user } = useMe();
  const client = useQueryClient();
  const f = useForm({ password: '', code: '' }, async (v) => {
    const body = { ...(user.has_password && { password: v.password }), ...(user.totp_enabled && { code: v.code.replace(/\s/g, '') }) };
    await api(`/api/auth/identities/${identity.id}`, { method: 'DELETE', body });
    await client.invalidateQueries({ predicate: (q) => String(q.queryKey[0]).startsWith('/api/auth/') });
    say(`${identity.name} no longer lets you in here.`);
    onClose();
  });
  return (
    <Dialog open onClose={onClose} title={`Disconnect ${identity.name}?`} note="It no longer signs you in, and your other sessions end.">
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        {user.has_password && <Field label="Your password" type="password" {...f.bind('password')} autoComplete="current-password" autoFocus required />}
        {user.totp_enabled && <Field label="Code" note="From your authenticator, or a recovery code." {...f.bind('code')} autoComplete="one-time-code" required />}
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="danger" busy={f.busy}>Disconnect</Button></DialogFoot>
      </form>
    </Dialog>
  );
}

function browserOf(agent: string): string {
  const name = /Edg\//.test(agent) ? 'Edge' : /Firefox\//.test(agent) ? 'Firefox' : /Chrom(e|ium)\//.test(agent) ? 'Chrome' : /Safari\//.test(agent) ? 'Safari' : agent.split(/[ /]/)[0] || 'Unknown';
  const system = /Android/.test(agent) ? 'Android' : /iPhone|iPad/.test(agent) ? 'iOS' : /Mac OS/.test(agent) ? 'macOS' : /Windows/.test(agent) ? 'Windows' : /Linux/.test(agent) ? 'Linux' : '';
  return system ? `${name} on ${system}` : name;
}

function Sessions() {
  const list = useList<Session>('/api/auth/sessions');
  const fresh = useFreshStart();
  const [, go] = useLocation();
  const [all, setAll] = useState(false);
  const end = useSend((s: Session) => [`/api/auth/sessions/${s.id}`, { method: 'DELETE' }], ['/api/auth/sessions']);
  return (
    <Card flush title="Sessions" note="Where you are signed in." action={<Button size="sm" onClick={() => setAll(true)}>Sign out everywhere</Button>}>
      <Table label="Sessions" rows={list.rows} {...paged(list)} id={(s) => s.id} empty={<Empty icon={MonitorSmartphone} title="None" />} columns={[
        { head: 'Where', cell: (s) => <div className="min-w-0"><p className="flex items-center gap-2 font-medium" title={s.user_agent}>{browserOf(s.user_agent)}{s.current && <Badge tone="good" dot>This one</Badge>}</p><p className="font-mono text-xs text-faint">{s.address}</p></div> },
        { head: 'Last seen', cell: (s) => <span className="text-soft"><When at={s.last_seen_at} /></span> },
        { head: 'Began', phone: 'hide', cell: (s) => <span className="text-soft"><When at={s.created_at} /></span> },
        { head: '', right: true, cell: (s) => !s.current && <Button size="sm" look="quiet" onClick={() => end.mutate(s, { onSuccess: () => say('The session is ended.'), onError: sayError })}>End</Button> },
      ]} />
      <Confirm open={all} onClose={() => setAll(false)} title="Sign out everywhere?" action="Sign out everywhere" onConfirm={async () => { await api('/api/auth/logout', { body: { everywhere: true } }); go('/'); await fresh(); }}>All your sessions end, this one too. API keys go on working.</Confirm>
    </Card>
  );
}
