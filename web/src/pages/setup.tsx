import { useSearch } from 'wouter';
import { api, setCsrf } from '@/lib/api';
import { useEnter } from '@/lib/auth';
import { useForm, useTitle } from '@/lib/hooks';
import { useOptions } from '@/lib/session';
import { Gate } from '@/layout/gate';
import { Button, LinkButton } from '@/ui/basic';
import { Field, Problem } from '@/ui/form';

export default function Setup() {
  useTitle('Set-up');
  const { options, ready } = useOptions();
  const token = new URLSearchParams(useSearch()).get('token') ?? '';
  const enter = useEnter();
  const f = useForm({ email: '', password: '', name: '' }, async (v) => {
    const r = await api<{ csrf_token: string }>('/api/auth/setup', { body: { token, email: v.email.trim(), password: v.password, ...(v.name.trim() && { name: v.name.trim() }) } });
    setCsrf(r.csrf_token);
    await enter('/admin');
  });
  if (ready && !options.setup_needed && !f.busy)
    return <Gate title="This house is set up" note="It has its first operator; the link has done its work."><LinkButton to="/sign-in" look="primary" className="w-full">Sign in</LinkButton></Gate>;
  return (
    <Gate title={`Set ${options.brand.name} up`} note="This account becomes the first operator: prices, providers and customers are in its hands.">
      {!token ? <Problem>This link is not complete. The server prints it when it starts.</Problem> : (
        <form onSubmit={f.submit} className="space-y-4">
          <Problem>{f.general}</Problem>
          <Field label="Name" {...f.bind('name')} autoComplete="name" autoFocus optional />
          <Field label="E-mail" type="email" {...f.bind('email')} autoComplete="username" required />
          <Field label="Password" type="password" {...f.bind('password')} autoComplete="new-password" minLength={8} note="At least 8 characters; a sentence is good." required />
          <Button type="submit" look="primary" busy={f.busy} className="w-full">Create the operator</Button>
        </form>
      )}
    </Gate>
  );
}
