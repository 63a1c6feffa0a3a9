// A streamed completion: pieces of text as they come, and at the end what it cost.
import { ApiError } from './api';

export interface Turn { role: 'system' | 'user' | 'assistant'; content: string }
export interface Outcome { requestId: string | null; cost: string | null; input: number | null; output: number | null; finish: string | null; left: string | null }
interface Chunk {
  choices?: { delta?: { content?: string | null; reasoning?: string | null }; finish_reason?: string | null }[];
  usage?: { prompt_tokens?: number; completion_tokens?: number } | null; error?: { message?: string; code?: string | number };
}

// The number of a member as it is written: JSON.parse would make a double of it.
const exact = (json: string, name: string) => new RegExp(`"${name}"\\s*:\\s*(-?[0-9.eE+-]+)`).exec(json)?.[1] ?? null;

async function refused(r: Response): Promise<ApiError> {
  let e: { message?: string; code?: string } = {};
  try { e = (await r.json()).error ?? {}; } catch { /* the status says it */ }
  return new ApiError(r.status, e.code ?? 'error', e.message ?? `The server answered ${r.status}.`);
}

function header(r: Response, suffix: string): string | null {
  for (const [name, value] of r.headers) if (name.endsWith(suffix)) return value;
  return null;
}

export async function complete(key: string, body: object, onText: (piece: string, reasoning: boolean) => void, signal: AbortSignal): Promise<Outcome> {
  const r = await fetch('/v1/chat/completions', {
    method: 'POST', signal, credentials: 'omit', headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
  });
  if (!r.ok || !r.body) throw await refused(r);
  const out: Outcome = { requestId: r.headers.get('x-request-id'), cost: null, input: null, output: null, finish: null, left: header(r, '-credits-remaining') };
  const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    rest += value ?? '';
    const events = rest.split(/\r?\n\r?\n/);
    rest = done ? '' : events.pop()!;
    for (const event of events) {
      const data = event.split(/\r?\n/).filter((l) => l.startsWith('data:')).map((l) => l.slice(5).trim()).join('\n');
      if (!data || data === '[DONE]') continue;
      const c = JSON.parse(data) as Chunk;
      if (c.error) throw new ApiError(502, String(c.error.code ?? 'upstream_error'), c.error.message ?? 'The answer broke off.');
      const choice = c.choices?.[0];
      if (choice?.delta?.content) onText(choice.delta.content, false);
      if (choice?.delta?.reasoning) onText(choice.delta.reasoning, true);
      if (choice?.finish_reason) out.finish = choice.finish_reason;
      if (c.usage) {
        out.input = c.usage.prompt_tokens ?? null;
        out.output = c.usage.completion_tokens ?? null;
        out.cost = exact(data.slice(data.indexOf('"usage"')), 'cost');
      }
    }
    if (done) return out;
  }
}
