import { useEffect } from 'react';
import { useLocation, useSearch } from 'wouter';
import { useFreshStart, useWho } from './session';

// Where to after signing in: a path of this console, and nothing else.
export function safeNext(search: string): string {
  const next = new URLSearchParams(search).get('next') ?? '/';
  return /^\/(?![/\\])/.test(next) && !/[\u0000-\u001f\\]/.test(next) ? next : '/';
}

export function useEnter() {
  const fresh = useFreshStart();
  const [, go] = useLocation();
  const search = useSearch();
  return async (to?: string) => { await fresh(); go(to ?? safeNext(search), { replace: true }); };
}

// Who is in already has nothing to do on these pages.
export function useLeaveWhenIn() {
  const me = useWho();
  const [, go] = useLocation();
  const search = useSearch();
  useEffect(() => { if (me) go(safeNext(search), { replace: true }); }, [me, go, search]);
}
