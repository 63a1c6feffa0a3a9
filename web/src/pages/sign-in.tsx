import { useEffect, useRef, useState } from 'react';
import { Link, useSearch } from 'wouter';
import { MailCheck } from 'lucide-react';
import { api, ApiError, setCsrf } from '@/lib/api';
import { useEnter, useLeaveWhenIn } from '@/lib/auth';
import { useForm, useTitle } from '@/lib/hooks';
import { useOptions } from '@/lib/session';
import { Gate } from '@/layout/gate';
import { Providers } from '@/layout/providers';
import { Button, LinkButton } from '@/ui/basic';
import { Field, Problem } from '@/ui/form';

// What an OIDC callback that failed says in ?error=.
const errors: Record<string, string> = {
  denied: 'The other side did not let you in.', expired: 'That took too long, or was begun in another browser. Please try again.',
  signup_closed: 'There is no account for this address, and sign-up is closed.', invitation_needed: 'There is no account for this address yet. Open the link in the mail that invited you first.',
  email_unverified: 'That account has no verified e-mail address.', taken: 'That account is connected with another account here already.', suspended: 'This account is suspended.',
  second_factor: 'This account asks for a second factor: sign in with your password and a code, then connect the other account under Security.', unavailable: 'The other side does not answer. Please try again in a moment.',
};

export function SignIn() {
  useTitle('Sign in');
  useLeaveWhenIn();
  const enter = useEnter();
  const search = useSearch();
  const { options, ready } = useOptions();
  const [step, setStep] = useState<'password' | 'code'>('password');
  const [unverified, setUnverified] = useState(false);
  const codeRef = useRef<HTMLInputElement>(null);
  const f = useForm({ email: '', password: '', code: '' }, async (v) => {
    setUnverified(false);
    try {
      const r = await api<{ csrf_token: string }>('/api/auth/login', { body: { email: v.email.trim(), password: v.password, ...(step === 'code' ? { code: v.code.replace(/\s/g, '') } : {}) } });
      setCsrf(r.csrf_token);
      await enter();
    } catch (e) {
      if (e instanceof ApiError && e.code === 'totp_required') { setStep('code'); return; }
      if (e instanceof ApiError && e.code === 'email_unverified') setUnverified(true);
      if (e instanceof ApiError && e.code === 'invalid_credentials') throw new ApiError(401, e.code, 'The e-mail address or the password is wrong.');
      throw e;
    }
  });
  useEffect(() => { if (step === 'code') codeRef.current?.focus(); }, [step]);
  const failed = new URLSearchParams(search).get('error');
  const q = search ? `?${search}` : '';

  if (step === 'code')
    return (
      <Gate title="Two-factor code" note="Enter the six digits that your authenticator shows, or one of your recovery codes.">
        <form onSubmit={f.submit} className="space-y-4">
          <Problem>{f.general}</Problem>
          <Field ref={codeRef} label="Code" {...f.bind('code')} autoComplete="one-time-code" inputMode="text" className="num text-center font-mono text-lg tracking-[0.2em]" required />
          <Button type="submit" look="primary" busy={f.busy} className="w-full">Sign in</Button>
          <button type="button" className="link block w-full text-center text-sm" onClick={() => { setStep('password'); f.set('code', ''); }}>Back</button>
        </form>
      </Gate>
    );
  return (
    <Gate title="Sign in" note={`Welcome back to ${options.brand.name}.`} foot={ready && options.signup !== 'closed' && <>New here? <Link href={`/sign-up${q}`} className="link">Create an account</Link></>}>
      <form onSubmit={f.submit} className="space-y-4">
        {failed && !f.error && <Problem>{errors[failed] ?? 'Signing in did not work. Please try again.'}</Problem>}
        <Problem>{f.general && <>{f.general}{unverified && <Resend email={f.values.email} />}</>}</Problem>
        <Field label="E-mail" type="email" {...f.bind('email')} autoComplete="username" autoFocus required />
        <Field label="Password" type="password" {...f.bind('password')} autoComplete="current-password" required corner={<Link href="/forgot" className="link text-sm">Forgot it?</Link>} />
        <Button type="submit" look="primary" busy={f.busy} className="w-full">Sign in</Button>
      </form>
      <Providers verb="Continue" />
    </Gate>
  );
}

export function Resend({ email }: { email: string }) {
  const [state, setState] = useState<'idle' | 'busy' | 'sent'>('idle');
  const send = async () => {
    setState('busy');
    try { await api('/api/auth/resend', { body: { email: email.trim() } }); setState('sent'); } catch { setState('idle'); }
  };
  if (state === 'sent') return <span className="mt-1 block text-soft">Sent. Look into your inbox.</span>;
  return <button type="button" disabled={state === 'busy'} onClick={() => void send()} className="link mt-1 block">Send the mail again</button>;
}

export function Sent({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <div role="status">
      <span className="mb-4 grid size-11 place-items-center rounded-xl bg-good/10 text-good"><MailCheck className="size-5" aria-hidden /></span>
      <p className="text-lg font-semibold">{title}</p>
      <div className="prose-soft mt-1.5">{children}</div>
    </div>
  );
}

export function Forgot() {
  useTitle('Forgotten password');
  const [sent, setSent] = useState(false);
  const f = useForm({ email: '' }, async (v) => { await api('/api/auth/forgot', { body: { email: v.email.trim() } }); setSent(true); });
  return (
    <Gate title="Reset your password" note={sent ? undefined : 'We send you a link with which you set a new one.'} foot={<Link href="/sign-in" className="link">Back to sign in</Link>}>
      {sent ? <Sent title="Look into your inbox">If there is an account for <b className="font-medium text-ink">{f.values.email}</b>, a link is on its way.</Sent> : (
        <form onSubmit={f.submit} className="space-y-4">
          <Problem>{f.general}</Problem>
          <Field label="E-mail" type="email" {...f.bind('email')} autoComplete="username" autoFocus required />
          <Button type="submit" look="primary" busy={f.busy} className="w-full">Send the link</Button>
        </form>
      )}
    </Gate>
  );
}

export function Reset() {
  useTitle('New password');
  const token = new URLSearchParams(useSearch()).get('token') ?? '';
  const [done, setDone] = useState(false);
  const f = useForm({ password: '' }, async (v) => { await api('/api/auth/reset', { body: { token, password: v.password } }); setDone(true); });
  return (
    <Gate title={done ? 'Your password is changed' : 'Choose a new password'} note={done ? 'All sessions were ended; sign in with the new one.' : undefined}>
      {done ? <LinkButton to="/sign-in" look="primary" className="w-full">Sign in</LinkButton> : !token ? <Problem>This link is not complete. Open it from the mail again, or <Link href="/forgot" className="underline">ask for another</Link>.</Problem> : (
        <form onSubmit={f.submit} className="space-y-4">
          <Problem>{f.general}</Problem>
          <Field label="New password" type="password" {...f.bind('password')} autoComplete="new-password" minLength={8} note="At least 8 characters; a sentence is good." autoFocus required />
          <Button type="submit" look="primary" busy={f.busy} className="w-full">Change the password</Button>
        </form>
      )}
    </Gate>
  );
}
