import { Plus, Server, Trash2, Waypoints, Zap } from 'lucide-react';
import { useState } from 'react';
import { api, messageOf } from '@/lib/api';
import { useForm, useGet, useSend, useTitle } from '@/lib/hooks';
import { count, duration } from '@/lib/time';
import type { Provider, Route } from '@/lib/types';
import { Badge, Button, Card, Empty, PageHeader } from '@/ui/basic';
import { Table } from '@/ui/data';
import { Field, Problem } from '@/ui/form';
import { SelectField } from '@/ui/select';
import { say } from '@/ui/notices';
import { Confirm, Dialog, DialogFoot } from '@/ui/overlay';
import { ProviderState } from './overview';

const touched = ['/api/admin/providers', '/api/admin/routes'];

export default function Providers() {
  useTitle('Providers and routes');
  const providers = useGet<{ data: Provider[] }>('/api/admin/providers', 30_000);
  const routes = useGet<{ data: Route[] }>('/api/admin/routes');
  const [adding, add] = useState<'provider' | 'route' | null>(null);
  const [dropping, drop] = useState<Provider | null>(null);
  const [unrouting, unroute] = useState<Route | null>(null);
  const [tried, setTried] = useState<Record<string, { busy?: boolean; good?: string; bad?: string }>>({});
  const dropProvider = useSend((p: Provider) => [`/api/admin/providers/${encodeURIComponent(p.name)}`, { method: 'DELETE' }], touched);
  const dropRoute = useSend((r: Route) => [`/api/admin/routes/${r.id}`, { method: 'DELETE' }], touched);
  const test = async (p: Provider) => {
    setTried((t) => ({ ...t, [p.name]: { busy: true } }));
    const began = performance.now();
    try {
      await api(`/api/admin/providers/${encodeURIComponent(p.name)}/test`, { body: {} });
      setTried((t) => ({ ...t, [p.name]: { good: `answers in ${duration(performance.now() - began)}` } }));
    } catch (e) { setTried((t) => ({ ...t, [p.name]: { bad: messageOf(e) } })); }
  };
  return (
    <>
      <PageHeader title="Providers & routes" note="Where calls go. Customers see neither names nor addresses." />
      <Card flush title="Providers" action={<Button size="sm" look="primary" icon={Plus} onClick={() => add('provider')}>Add a provider</Button>}>
        <Table label="Providers" rows={providers.data?.data} error={providers.error} retry={() => void providers.refetch()} id={(p) => p.name} empty={<Empty icon={Server} title="No provider yet">OpenRouter, OpenAI, or anything that speaks like them.</Empty>} columns={[
          { head: 'Provider', cell: (p) => <div className="min-w-0"><p className="flex items-center gap-2 font-medium">{p.name}<Badge>{p.kind}</Badge></p><p className="truncate font-mono text-xs text-faint">{p.base_url}</p></div> },
          { head: 'Keys', right: true, cell: (p) => count(p.keys) }, { head: 'Calls', sort: (p) => p.health?.calls, right: true, cell: (p) => count(p.health?.calls ?? 0) },
          { head: 'Failed', right: true, phone: 'hide', cell: (p) => count(p.health?.failed ?? 0) }, { head: 'Median', right: true, phone: 'hide', cell: (p) => (p.health?.calls ? duration(p.health.p50_ms) : '—') },
          { head: 'State', cell: (p) => { const t = tried[p.name]; return t?.good ? <Badge tone="good" dot>{t.good}</Badge> : t?.bad ? <span className="block max-w-64 text-sm text-bad">{t.bad}</span> : <ProviderState of={p} />; } },
          { head: '', right: true, cell: (p) => <span className="inline-flex gap-1"><Button size="sm" look="quiet" icon={Zap} busy={tried[p.name]?.busy} onClick={() => void test(p)}>Test</Button><Button size="icon" look="quiet" aria-label={`Remove ${p.name}`} onClick={() => drop(p)}><Trash2 className="size-4" aria-hidden /></Button></span> },
        ]} />
      </Card>
      <Card className="mt-4" flush title="Routes" note="The first that fits is tried first; the next when it cannot be reached." action={<Button size="sm" look="primary" icon={Plus} onClick={() => add('route')} disabled={!providers.data?.data.length}>Add a route</Button>}>
        <Table label="Routes" rows={routes.data?.data} error={routes.error} retry={() => void routes.refetch()} id={(r) => String(r.id)} empty={<Empty icon={Waypoints} title="No routes yet">A route says which models go to which provider.</Empty>} columns={[
          { head: 'Models', cell: (r) => <span className="font-mono text-sm font-medium">{r.model}</span> }, { head: 'Provider', cell: (r) => r.provider },
          { head: 'Named there', phone: 'hide', cell: (r) => <span className="font-mono text-sm text-soft">{r.upstream_model || 'the same'}</span> },
          { head: 'Priority', right: true, cell: (r) => count(r.priority) }, { head: 'Weight', right: true, phone: 'hide', cell: (r) => count(r.weight) },
          { head: '', right: true, cell: (r) => <Button size="icon" look="quiet" aria-label={`Remove the route ${r.model} to ${r.provider}`} onClick={() => unroute(r)}><Trash2 className="size-4" aria-hidden /></Button> },
        ]} />
      </Card>
      {adding === 'provider' && <AddProvider onClose={() => add(null)} />}
      {adding === 'route' && <AddRoute providers={providers.data?.data ?? []} onClose={() => add(null)} />}
      <Confirm open={!!dropping} onClose={() => drop(null)} title={`Remove ${dropping?.name ?? ''}?`} action="Remove" onConfirm={async () => { await dropProvider.mutateAsync(dropping!); say('Removed.'); }}>Its routes and keys go with it. Running calls end as they are.</Confirm>
      <Confirm open={!!unrouting} onClose={() => unroute(null)} title="Remove this route?" action="Remove" onConfirm={async () => { await dropRoute.mutateAsync(unrouting!); say('Removed.'); }}>Calls of <span className="font-mono text-sm text-ink">{unrouting?.model}</span> no longer go to {unrouting?.provider}.</Confirm>
    </>
  );
}

function AddProvider({ onClose }: { onClose: () => void }) {
  const [kind, setKind] = useState('openrouter');
  const send = useSend((body: unknown) => ['/api/admin/providers', { body }], touched);
  const f = useForm({ name: '', base_url: 'https://openrouter.ai/api/v1', api_key: '' }, async (v) => { await send.mutateAsync({ ...v, kind }); say(`${v.name} is added.`); onClose(); });
  const choose = (k: string) => { setKind(k); f.set('base_url', { openrouter: 'https://openrouter.ai/api/v1', openai: 'https://api.openai.com/v1' }[k] ?? ''); };
  return (
    <Dialog open onClose={onClose} title="Add a provider">
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <SelectField label="Kind" value={kind} onChange={choose} choices={[{ value: 'openrouter', label: 'OpenRouter' }, { value: 'openai', label: 'OpenAI, or compatible' }]} />
        <Field label="Name" {...f.bind('name')} placeholder="main" note="Yours alone; customers never see it." autoFocus required />
        <Field label="Base URL" {...f.bind('base_url')} type="url" required className="font-mono !text-sm" />
        <Field label="API key" type="password" {...f.bind('api_key')} autoComplete="off" note="Sealed before it is stored, and never shown again." required />
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={f.busy}>Add</Button></DialogFoot>
      </form>
    </Dialog>
  );
}

function AddRoute({ providers, onClose }: { providers: Provider[]; onClose: () => void }) {
  const [provider, setProvider] = useState(providers[0]?.name ?? '');
  const send = useSend((body: unknown) => ['/api/admin/routes', { body }], touched);
  const f = useForm({ model: '*', upstream_model: '', priority: '0', weight: '1' }, async (v) => {
    await send.mutateAsync({ model: v.model.trim(), provider, ...(v.upstream_model.trim() && { upstream_model: v.upstream_model.trim() }), priority: Number(v.priority), weight: Number(v.weight) });
    say('The route is added.');
    onClose();
  });
  return (
    <Dialog open onClose={onClose} title="Add a route">
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <Field label="Models" {...f.bind('model')} note="A name, or a pattern with *." className="font-mono !text-sm" autoFocus required />
        <SelectField label="Provider" value={provider} onChange={setProvider} choices={providers.map((p) => ({ value: p.name, label: p.name }))} />
        <Field label="Name at the provider" optional {...f.bind('upstream_model')} className="font-mono !text-sm" placeholder="the same" />
        <div className="grid grid-cols-2 gap-4"><Field label="Priority" type="number" {...f.bind('priority')} /><Field label="Weight" type="number" min={1} {...f.bind('weight')} /></div>
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={f.busy}>Add</Button></DialogFoot>
      </form>
    </Dialog>
  );
}
