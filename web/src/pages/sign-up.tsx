import { useState } from 'react';
import { Link, useSearch } from 'wouter';
import { api } from '@/lib/api';
import { useLeaveWhenIn } from '@/lib/auth';
import { useForm, useTitle } from '@/lib/hooks';
import { compare, usd } from '@/lib/money';
import { useOptions } from '@/lib/session';
import { Gate } from '@/layout/gate';
import { Providers } from '@/layout/providers';
import { Button, LinkButton } from '@/ui/basic';
import { Field, Problem } from '@/ui/form';
import { Resend, Sent } from './sign-in';

export default function SignUp() {
  useTitle('Sign up');
  useLeaveWhenIn();
  const { options, ready } = useOptions();
  const search = useSearch();
  const invitation = new URLSearchParams(search).get('invitation') ?? '';
  const [sent, setSent] = useState(false);
  const f = useForm({ name: '', email: new URLSearchParams(search).get('email') ?? '', password: '', company: '' }, async (v) => {
    await api('/api/auth/signup', { body: { email: v.email.trim(), password: v.password, ...(v.name.trim() && { name: v.name.trim() }), ...(v.company.trim() && { company: v.company.trim() }), ...(invitation && { invitation }) } });
    setSent(true);
  });
  const q = search ? `?${search}` : '';
  const foot = <>Have an account? <Link href={`/sign-in${q}`} className="link">Sign in</Link></>;
  if (!ready) return <Gate title="Create your account"><div className="h-64" /></Gate>;
  if (options.signup === 'closed' || (options.signup === 'invitation' && !invitation))
    return (
      <Gate title={options.signup === 'closed' ? 'Sign-up is closed' : 'By invitation only'} note={options.signup === 'closed' ? `${options.brand.name} takes no new accounts at the moment.` : 'Open the link in the mail that invited you; it brings you here.'}>
        <LinkButton to="/sign-in" look="primary" className="w-full">Sign in</LinkButton>
      </Gate>
    );
  if (sent)
    return (
      <Gate title="Almost there" foot={foot}>
        <Sent title="Look into your inbox">
          We sent a link to <b className="font-medium text-ink">{f.values.email}</b>. Open it in this browser and you are in.
          <Resend email={f.values.email} />
        </Sent>
      </Gate>
    );
  const gift = compare(options.intro_credit, '0') > 0;
  return (
    <Gate title="Create your account" note={gift ? `${usd(options.intro_credit)} of credit to begin with. No card needed.` : 'One key for every model.'} foot={foot}>
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <Field label="Name" {...f.bind('name')} autoComplete="name" autoFocus optional />
        <Field label="E-mail" type="email" {...f.bind('email')} autoComplete="username" required />
        <Field label="Password" type="password" {...f.bind('password')} autoComplete="new-password" minLength={8} note="At least 8 characters; a sentence is good." required />
        <Field label="Company" {...f.bind('company')} autoComplete="organization" optional />
        <Button type="submit" look="primary" busy={f.busy} className="w-full">Create the account</Button>
      </form>
      <Providers verb="Sign up" />
    </Gate>
  );
}
