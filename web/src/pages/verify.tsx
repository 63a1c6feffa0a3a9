import { useEffect, useRef, useState } from 'react';
import { LoaderCircle } from 'lucide-react';
import { Link, useSearch } from 'wouter';
import { api, messageOf } from '@/lib/api';
import { useTitle } from '@/lib/hooks';
import { useFreshStart, useWho } from '@/lib/session';
import { Gate } from '@/layout/gate';
import { LinkButton } from '@/ui/basic';
import { Problem } from '@/ui/form';

export default function Verify() {
  useTitle('Verify your address');
  const token = new URLSearchParams(useSearch()).get('token') ?? '';
  const fresh = useFreshStart();
  const me = useWho();
  const [state, setState] = useState<{ done?: boolean; error?: string }>(token ? {} : { error: 'This link is not complete. Open it from the mail again.' });
  const begun = useRef(false); // a token is good once, also when React mounts twice
  useEffect(() => {
    if (!token || begun.current) return;
    begun.current = true;
    void (async () => {
      try {
        await api<{ verified: boolean; signed_in: boolean }>('/api/auth/verify', { body: { token } });
        await fresh();
        setState({ done: true });
      } catch (e) { setState({ error: messageOf(e) }); }
    })();
  }, [token, fresh]);
  if (state.error) return <Gate title="This link does not work" foot={<Link href="/sign-in" className="link">To sign in</Link>}><Problem>{state.error}</Problem></Gate>;
  if (!state.done) return <Gate title="Verifying your address"><LoaderCircle className="size-5 animate-spin text-faint" aria-label="Verifying" /></Gate>;
  return (
    <Gate title="Your address is verified" note={me ? 'You are signed in. Everything is ready.' : 'Sign in to begin.'}>
      {me ? <LinkButton to="/" look="primary" className="w-full">Continue</LinkButton> : <LinkButton to="/sign-in" look="primary" className="w-full">Sign in</LinkButton>}
    </Gate>
  );
}
