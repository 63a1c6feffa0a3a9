import { useQueryClient } from '@tanstack/react-query';
import { ArrowUp, Eraser, MessageSquare, Settings2, Square } from 'lucide-react';
import { useEffect, useRef, useState, type KeyboardEvent } from 'react';
import { Link } from 'wouter';
import { api, ApiError, messageOf } from '@/lib/api';
import { useGet, useParam, useTitle } from '@/lib/hooks';
import { perMillion, sum, usd } from '@/lib/money';
import { useMay } from '@/lib/session';
import { complete, type Outcome, type Turn } from '@/lib/stream';
import { count } from '@/lib/time';
import type { List, Model } from '@/lib/types';
import { Button, Empty, PageHeader } from '@/ui/basic';
import { CopyButton } from '@/ui/data';
import { Field, Problem, TextField } from '@/ui/form';
import { ModelPicker } from '@/ui/model-picker';

interface Said extends Turn { outcome?: Outcome; took?: number; stopped?: boolean; failed?: string }

// One key for the page's life; the server makes it for an hour and keeps it off the key list.
let kept: { key: string; until: number } | null = null;
async function playKey(fresh = false): Promise<string> {
  if (!fresh && kept && kept.until > Date.now() + 60_000) return kept.key;
  const r = await api<{ api_key: string; expires_at: string }>('/api/playground', { body: {} });
  kept = { key: r.api_key, until: Date.parse(r.expires_at) };
  return kept.key;
}

export default function Playground() {
  useTitle('Playground');
  const may = useMay();
  const client = useQueryClient();
  const models = useGet<List<Model>>('/api/models?limit=100');
  const [asked, setModel] = useParam('model');
  const list = models.data?.data ?? [];
  const model = asked || list.find((m) => m.recommended)?.id || list[0]?.id || '';
  const chosen = list.find((m) => m.id === model);
  const [said, setSaid] = useState<Said[]>([]);
  const [typed, type] = useState('');
  const [system, setSystem] = useState('');
  const [most, setMost] = useState('');
  const [heat, setHeat] = useState('');
  const [panel, setPanel] = useState(false);
  const [running, setRunning] = useState<AbortController | null>(null);
  const end = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLTextAreaElement>(null);
  useEffect(() => { end.current?.scrollIntoView({ block: 'nearest' }); }, [said]);
  useEffect(() => () => running?.abort(), [running]);

  const change = (f: (last: Said) => Said) => setSaid((all) => [...all.slice(0, -1), f(all[all.length - 1]!)]);
  const send = async () => {
    const text = typed.trim();
    if (!text || running || !model) return;
    const turns: Turn[] = [...said.filter((t) => !t.failed).map(({ role, content }) => ({ role, content })), { role: 'user', content: text }];
    const stop = new AbortController(), began = performance.now();
    type('');
    setSaid([...said, { role: 'user', content: text }, { role: 'assistant', content: '' }]);
    setRunning(stop);
    const body = { model, messages: [...(system.trim() ? [{ role: 'system', content: system }] : []), ...turns], ...(/^\d+$/.test(most) && { max_tokens: Number(most) }), ...(/^\d+(\.\d+)?$/.test(heat) && { temperature: Number(heat) }) };
    const take = (piece: string, reasoning: boolean) => { if (!reasoning) change((t) => ({ ...t, content: t.content + piece })); };
    try {
      let outcome: Outcome;
      try { outcome = await complete(await playKey(), body, take, stop.signal); } catch (e) {
        if (!(e instanceof ApiError) || e.status !== 401) throw e;
        outcome = await complete(await playKey(true), body, take, stop.signal); // its hour was over
      }
      change((t) => ({ ...t, outcome, took: performance.now() - began }));
    } catch (e) {
      change((t) => (stop.signal.aborted ? { ...t, stopped: true } : { ...t, failed: messageOf(e) }));
    } finally {
      setRunning(null);
      void client.invalidateQueries({ predicate: (q) => /^\/api\/(billing|usage)/.test(String(q.queryKey[0])) });
      input.current?.focus();
    }
  };
  const onKey = (e: KeyboardEvent) => { if (e.key === 'Enter' && !e.shiftKey && !e.nativeEvent.isComposing) { e.preventDefault(); void send(); } };
  const spent = sum(said.map((t) => t.outcome?.cost ?? '0'));

  if (!may('playground')) return <><PageHeader title="Playground" /><Empty icon={MessageSquare} title="Your role only looks">Ask an admin of the team for the role developer.</Empty></>;
  return (
    <div className="flex min-h-[calc(100dvh-7rem)] flex-col lg:min-h-[calc(100dvh-4rem)]">
      <header className="mb-4 flex flex-wrap items-center gap-2">
        <h1 className="mr-auto text-2xl font-semibold tracking-tight">Playground</h1>
        <ModelPicker value={model} onChange={setModel} />
        <Button icon={Settings2} aria-expanded={panel} onClick={() => setPanel(!panel)}>Options</Button>
        <Button icon={Eraser} disabled={said.length === 0 || !!running} onClick={() => setSaid([])}>Clear</Button>
      </header>
      {panel && (
        <div className="mb-4 grid gap-4 rounded-lg border border-line bg-panel p-4 shadow-card sm:grid-cols-[1fr_9rem_9rem]">
          <TextField label="System prompt" optional rows={2} value={system} onChange={(e) => setSystem(e.target.value)} placeholder="You are…" />
          <Field label="Max tokens" optional inputMode="numeric" value={most} onChange={(e) => setMost(e.target.value)} placeholder="model's own" />
          <Field label="Temperature" optional inputMode="decimal" value={heat} onChange={(e) => setHeat(e.target.value)} placeholder="1.0" />
        </div>
      )}
      <div className="flex-1 space-y-5 pb-6" aria-live="polite" aria-busy={!!running}>
        {said.length === 0 && (
          <Empty icon={MessageSquare} title="Ask a model something">
            It is a real call with your team's credit{chosen?.pricing.prompt && chosen.pricing.completion ? <>: {perMillion(chosen.pricing.prompt)} per million tokens in, {perMillion(chosen.pricing.completion)} out</> : null}. What it cost stands under the answer.
          </Empty>
        )}
        {said.map((t, i) => t.role === 'user' ? (
          <div key={i} className="flex justify-end"><p className="max-w-[85%] whitespace-pre-wrap break-words rounded-xl rounded-br-sm bg-brand px-4 py-2.5 text-on-brand">{t.content}</p></div>
        ) : (
          <article key={i} aria-label="Answer" className="max-w-[92%]">
            <div className="whitespace-pre-wrap break-words rounded-xl rounded-bl-sm border border-line bg-panel px-4 py-3 shadow-card">{t.content || (t.failed ? '' : <span className="text-faint">{running ? 'Thinking…' : '(nothing)'}</span>)}{running && i === said.length - 1 && t.content && <span aria-hidden className="ml-0.5 inline-block h-4 w-1.5 translate-y-0.5 animate-[pulse_1s_infinite] bg-brand-ink" />}
              {t.failed && <Problem>{t.failed}{/credit/i.test(t.failed) && <> <Link href="/billing" className="underline">To billing</Link></>}</Problem>}
            </div>
            {(t.outcome || t.stopped) && (
              <p data-cost={t.outcome?.cost ?? undefined} className="num mt-1.5 flex flex-wrap items-center gap-x-3 gap-y-1 px-1 text-sm text-faint">
                {t.stopped ? <span>Stopped; what was made is charged, see usage</span> : <>
                  {t.outcome?.cost && <span className="font-medium text-soft">{usd(t.outcome.cost)}</span>}
                  {t.outcome?.input != null && <span>{count(t.outcome.input)} in, {count(t.outcome.output ?? 0)} out</span>}
                  {t.took && <span>{(t.took / 1000).toFixed(1)} s</span>}
                  {t.outcome?.finish === 'length' && <span className="text-warn">cut off at the token limit</span>}
                </>}
                <CopyButton small text={t.content} label="Copy the answer" />
              </p>
            )}
          </article>
        ))}
        <div ref={end} />
      </div>
      <form onSubmit={(e) => { e.preventDefault(); void send(); }} className="sticky bottom-0 -mx-4 bg-gradient-to-t from-page via-page to-transparent px-4 pb-4 pt-4 sm:mx-0 sm:px-0">
        <div className="flex items-end gap-2 rounded-xl border border-line-strong bg-panel p-2 shadow-pop focus-within:border-brand-ink">
          <textarea ref={input} aria-label="Message" rows={Math.min(8, Math.max(1, typed.split('\n').length))} value={typed} onChange={(e) => type(e.target.value)} onKeyDown={onKey} placeholder="Message…" autoFocus className="min-h-9 flex-1 resize-none bg-transparent px-2 py-2 text-base leading-5 outline-none placeholder:text-faint" />
          {running ? <Button size="icon" className="!size-9" aria-label="Stop" onClick={() => running.abort()}><Square className="size-3.5 fill-current" aria-hidden /></Button>
            : <Button type="submit" look="primary" size="icon" className="!size-9" aria-label="Send" disabled={!typed.trim() || !model}><ArrowUp className="size-4" aria-hidden /></Button>}
        </div>
        <p className="num mt-2 flex justify-between px-1 text-xs text-faint"><span>Enter sends, Shift+Enter breaks the line</span>{said.length > 0 && <span>this conversation: {usd(spent)}</span>}</p>
      </form>
    </div>
  );
}
