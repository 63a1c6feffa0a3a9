// The control API: one function, errors that keep what the server said, and the token that writes need.
export class ApiError extends Error {
  constructor(
    readonly status: number, readonly code: string, message: string,
    readonly field?: string, readonly requestId?: string, readonly retryAfter?: number,
  ) { super(message); }
}

let csrf = '';
export const setCsrf = (token: string | undefined) => { csrf = token ?? ''; };

async function failure(r: Response): Promise<ApiError> {
  let e: { code?: string; message?: string; field?: string; request_id?: string } = {};
  try { e = (await r.json()).error ?? {}; } catch { /* a proxy's page, or nothing: the status says it */ }
  const wait = Number(r.headers.get('retry-after'));
  return new ApiError(r.status, e.code ?? 'internal', e.message || `The server answered ${r.status}.`,
    e.field, e.request_id ?? r.headers.get('x-request-id') ?? undefined, wait > 0 ? wait : undefined);
}

export interface Ask { method?: string; body?: unknown; signal?: AbortSignal; idempotent?: string }

export async function api<T>(path: string, { method, body, signal, idempotent }: Ask = {}): Promise<T> {
  const verb = method ?? (body === undefined ? 'GET' : 'POST');
  const headers: Record<string, string> = { accept: 'application/json' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (verb !== 'GET' && csrf) headers['x-csrf-token'] = csrf;
  if (idempotent) headers['idempotency-key'] = idempotent;
  let r: Response;
  try {
    r = await fetch(path, { method: verb, headers, signal, credentials: 'same-origin', body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (e) {
    if ((e as Error).name === 'AbortError') throw e;
    throw new ApiError(0, 'unreachable', 'The server cannot be reached. Check your connection and try again.');
  }
  if (!r.ok) {
    const e = await failure(r);
    if (e.code === 'session_expired' || (e.code === 'missing_credentials' && path !== '/api/me')) window.dispatchEvent(new Event('session-ended'));
    throw e;
  }
  if (r.status === 204 || r.headers.get('content-length') === '0') return undefined as T;
  return (await r.json()) as T;
}

export function query(params: Record<string, string | number | null | undefined>): string {
  const q = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) if (value !== undefined && value !== null && value !== '') q.set(name, String(value));
  const s = q.toString();
  return s ? `?${s}` : '';
}

// A fresh key for each thing that a person does once, so that a doubled click makes one of it.
export const once = () => crypto.randomUUID?.() ?? Math.random().toString(36).slice(2) + Date.now().toString(36);

export const messageOf = (e: unknown): string => (e instanceof Error ? e.message : String(e));
