import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState, type ChangeEvent, type FormEvent } from 'react';
import { useLocation, useSearch } from 'wouter';
import { api, ApiError, messageOf, query, type Ask } from './api';
import { brandName } from './session';
import type { List } from './types';

// GET; the path is the key, so that a page and a card that ask for the same share the answer.
export function useGet<T>(path: string | null, every?: number | ((now: T | undefined) => number | false)) {
  return useQuery({
    queryKey: [path], queryFn: ({ signal }) => api<T>(path!, { signal }), enabled: path !== null,
    placeholderData: keepPreviousData, refetchInterval: typeof every === 'function' ? (q) => every(q.state.data) : every,
  });
}

// A list with "more" at its end; asked for again as long as one of its rows is `moving`.
export function useList<T>(path: string, params: Record<string, string | number | null | undefined> = {}, limit = 50, moving?: (row: T) => boolean) {
  const q = useInfiniteQuery({
    queryKey: [path, params, limit], initialPageParam: '', placeholderData: keepPreviousData,
    queryFn: ({ pageParam, signal }) => api<List<T>>(path + query({ ...params, limit, cursor: pageParam }), { signal }),
    getNextPageParam: (last) => (last.has_more ? last.next_cursor : undefined),
    refetchInterval: (q) => (moving && q.state.data?.pages.some((p) => p.data.some(moving)) ? 2_000 : false),
  });
  return { ...q, rows: q.data?.pages.flatMap((p) => p.data) };
}

// A write; afterwards everything whose path begins with one of `touches` is asked for again.
export function useSend<V = void, R = unknown>(ask: (v: V) => [string, Ask], touches: string[] = []) {
  const client = useQueryClient();
  return useMutation<R, Error, V>({
    mutationFn: (v) => api<R>(...ask(v)),
    onSuccess: () => client.invalidateQueries({ predicate: (q) => touches.some((t) => String(q.queryKey[0]).startsWith(t)) }),
  });
}

type Values = Record<string, string>;
// A form of text fields: values, busy, and each error at its field.
export function useForm<T extends Values>(initial: T, send: (v: T) => Promise<void>) {
  const [values, setValues] = useState(initial);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<{ message: string; field?: string; code?: string } | null>(null);
  const submit = async (e?: FormEvent) => {
    e?.preventDefault();
    if (busy) return;
    setBusy(true);
    setError(null);
    try { await send(values); } catch (x) {
      setError({ message: messageOf(x), ...(x instanceof ApiError ? { field: x.field, code: x.code } : {}) });
    } finally { setBusy(false); }
  };
  const bind = (name: keyof T & string) => ({
    name, value: values[name], error: error?.field === name ? error.message : undefined,
    onChange: (e: ChangeEvent<HTMLInputElement | HTMLTextAreaElement>) => setValues((v) => ({ ...v, [name]: e.target.value })),
  });
  const set = (name: keyof T & string, value: string) => setValues((v) => ({ ...v, [name]: value }));
  const general = error && !(error.field && error.field in values) ? error.message : null;
  return { values, set, bind, submit, busy, error, general, setError, reset: () => { setValues(initial); setError(null); } };
}

export function useTitle(title?: string) {
  useEffect(() => { document.title = title ? `${title} · ${brandName}` : brandName; }, [title]);
}

// State in the query string, so that a link says what is looked at.
export function useParam(name: string, fallback = ''): [string, (v: string) => void] {
  const search = useSearch();
  const [path, go] = useLocation();
  const value = new URLSearchParams(search).get(name) ?? fallback;
  const set = useCallback((v: string) => {
    const p = new URLSearchParams(location.search);
    v && v !== fallback ? p.set(name, v) : p.delete(name);
    const s = p.toString();
    go(path + (s ? `?${s}` : ''), { replace: true });
  }, [name, fallback, path, go]);
  return [value, set];
}

export function useLate<T>(value: T, ms = 250): T {
  const [late, setLate] = useState(value);
  useEffect(() => {
    const t = setTimeout(() => setLate(value), ms);
    return () => clearTimeout(t);
  }, [value, ms]);
  return late;
}

export function useCopy() {
  const [copied, setCopied] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const copy = async (text: string) => {
    try { await navigator.clipboard.writeText(text); } catch {
      // Without https the clipboard is not there: the old way.
      const t = document.createElement('textarea');
      t.value = text;
      (document.querySelector('[role=dialog]') ?? document.body).append(t);
      t.select();
      document.execCommand('copy');
      t.remove();
    }
    setCopied(true);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setCopied(false), 1600);
  };
  return { copied, copy };
}
