// Who is here. Known before anything is drawn that depends on it, so that nobody sees a page that is
// not his flash by.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { createContext, useContext, useEffect, type ReactNode } from 'react';
import { api, ApiError, setCsrf } from './api';
import type { Me, Options } from './types';

export async function loadMe(): Promise<Me | null> {
  try {
    const me = await api<Me>('/api/me');
    setCsrf(me.csrf_token);
    remember(true);
    return me;
  } catch (e) {
    if (!(e instanceof ApiError) || (e.status !== 401 && e.status !== 404)) throw e;
    setCsrf(undefined);
    remember(false);
    return null;
  }
}

// Was somebody signed in here the last time? Only chooses the skeleton that is drawn meanwhile.
function remember(yes: boolean) {
  try { yes ? localStorage.setItem('was-in', '1') : localStorage.removeItem('was-in'); } catch { /* storage is forbidden */ }
}
export function wasIn(): boolean {
  try { return localStorage.getItem('was-in') === '1'; } catch { return false; }
}

export const brandName = document.querySelector<HTMLMetaElement>('meta[name=brand]')?.content || 'Tollgate';

const optionsBefore: Options = {
  brand: { name: brandName, color: '', logo_url: null }, signup: 'closed', password: true, providers: [],
  setup_needed: false, currency: 'USD', intro_credit: '0', public_url: '',
};

export function useOptions() {
  const q = useQuery({ queryKey: ['/api/auth/options'], queryFn: () => api<Options>('/api/auth/options'), staleTime: 60_000 });
  return { options: q.data ?? optionsBefore, ready: q.isFetched };
}

// Where this customer's programs reach this house: what the operator says, or where the page came from.
export function useBaseUrl(): string {
  const { options } = useOptions();
  return (options.public_url || location.origin).replace(/\/$/, '');
}

const Who = createContext<Me | null>(null);
export const WhoIs = ({ me, children }: { me: Me | null; children: ReactNode }) => <Who.Provider value={me}>{children}</Who.Provider>;
export const useWho = () => useContext(Who);
export function useMe(): Me {
  const me = useContext(Who);
  if (!me) throw new Error('this page is for who is signed in');
  return me;
}
// What the server's table lets this role do in this team; the pages offer nothing else.
export type Permission = 'billing.write' | 'billing.checkout' | 'keys.write' | 'keys.all' | 'webhooks.read' | 'webhooks.write' | 'playground' | 'audit.read' | 'members.write' | 'team.write' | 'team.own';
export function useMay() {
  const { permissions } = useMe();
  return (what: Permission) => permissions.includes(what);
}

export function useSessionQuery() {
  const client = useQueryClient();
  useEffect(() => {
    const ended = () => void client.invalidateQueries({ queryKey: ['me'] });
    window.addEventListener('session-ended', ended);
    return () => window.removeEventListener('session-ended', ended);
  }, [client]);
  return useQuery({ queryKey: ['me'], queryFn: loadMe, staleTime: 30_000, retry: 1 });
}

// After signing in or out, or another team: nothing of the one before is left.
export function useFreshStart() {
  const client = useQueryClient();
  return async () => {
    client.removeQueries({ predicate: (q) => q.queryKey[0] !== 'me' && q.queryKey[0] !== '/api/auth/options' });
    await client.refetchQueries({ queryKey: ['me'] });
  };
}
