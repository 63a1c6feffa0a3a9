import { FlaskConical, Plus, RefreshCw, Tags, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { api, ApiError, messageOf } from '@/lib/api';
import { useForm, useGet, useParam, useSend, useTitle } from '@/lib/hooks';
import { compare, perMillion, shift, typedAmount, usd } from '@/lib/money';
import { count } from '@/lib/time';
import type { DryRun, Price, Provider, Rule } from '@/lib/types';
import { Badge, Button, Card, Empty, PageHeader, Stat } from '@/ui/basic';
import { Money, Table } from '@/ui/data';
import { Field, Problem, SearchField } from '@/ui/form';
import { SelectField } from '@/ui/select';
import { say } from '@/ui/notices';
import { Confirm, Dialog, DialogFoot } from '@/ui/overlay';
import { Tabs } from '@/ui/tabs';

const touched = ['/api/admin/prices', '/api/admin/pricing-rules', '/api/models', '/v1/models'];

export default function Pricing() {
  useTitle('Prices and rules');
  const [tab, setTab] = useParam('tab', 'prices');
  return (
    <>
      <PageHeader title="Prices & rules" note="What providers charge, and what is put on top. A change is a new version; calls keep the version they were quoted with." />
      <Tabs label="Pricing" value={tab} onChange={setTab} tabs={[['prices', 'Price list'], ['rules', 'Pricing rules']]}>{tab === 'rules' ? <Rules /> : <Prices />}</Tabs>
    </>
  );
}

function Prices() {
  const q = useGet<{ data: Price[] }>('/api/admin/prices');
  const [typed, type] = useState('');
  const [doing, set] = useState<'add' | 'sync' | null>(null);
  const rows = q.data?.data.filter((p) => p.model.toLowerCase().includes(typed.trim().toLowerCase()));
  const cell = (s: string | null | undefined) => (s ? perMillion(s) : <span className="text-faint">—</span>);
  return (
    <Card flush>
      <div className="flex flex-wrap gap-2 p-4">
        <SearchField label="Search prices" value={typed} onChange={type} className="flex-1 basis-52" />
        <Button icon={RefreshCw} onClick={() => set('sync')}>Take from a provider</Button>
        <Button look="primary" icon={Plus} onClick={() => set('add')}>Set a price</Button>
      </div>
      <Table label="Price list" rows={rows} error={q.error} retry={() => void q.refetch()} id={(p) => String(p.id ?? p.model)} empty={<Empty icon={Tags} title={typed ? 'None fits' : 'No prices yet'}>{typed ? 'Try a part of the name.' : 'Without a price nothing is sold, unless a provider tells the cost of each call.'}</Empty>} columns={[
        { head: 'Models', sort: (p) => p.model, cell: (p) => <span className="break-all font-mono text-sm">{p.model}</span> }, { head: 'Input / 1M', sort: (p) => p.input, right: true, cell: (p) => cell(p.input) }, { head: 'Output / 1M', sort: (p) => p.output, right: true, cell: (p) => cell(p.output) },
        { head: 'Cache read', right: true, phone: 'hide', cell: (p) => cell(p.cache_read) }, { head: 'Cache write', right: true, phone: 'hide', cell: (p) => cell(p.cache_write) },
        { head: 'Per request', right: true, phone: 'hide', cell: (p) => (p.request && compare(p.request, '0') > 0 ? usd(p.request) : <span className="text-faint">—</span>) },
      ]} />
      {doing === 'add' && <SetPrice onClose={() => set(null)} />}
      {doing === 'sync' && <Sync onClose={() => set(null)} />}
    </Card>
  );
}

const amountOf = (text: string, field: string): string => {
  const a = typedAmount(text);
  if (!a || a.startsWith('-')) throw new ApiError(422, 'validation_failed', 'It must be an amount in dollars.', field);
  return a;
};

function SetPrice({ onClose }: { onClose: () => void }) {
  const send = useSend((body: unknown) => ['/api/admin/prices', { body }], touched);
  const f = useForm({ model: '', input: '', output: '', cache_read: '', cache_write: '', request: '' }, async (v) => {
    const perToken = (k: 'input' | 'output' | 'cache_read' | 'cache_write') => (v[k].trim() ? { [k]: shift(`${amountOf(v[k], k)}e-12`, 6) } : {});
    await send.mutateAsync({ model: v.model.trim(), ...perToken('input'), ...perToken('output'), ...perToken('cache_read'), ...perToken('cache_write'), ...(v.request.trim() && { request: amountOf(v.request, 'request') }) });
    say('The price is set.');
    onClose();
  });
  return (
    <Dialog open onClose={onClose} title="Set a price" note="In US dollars per million tokens.">
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <Field label="Models" {...f.bind('model')} note="A name, or a pattern with *." className="font-mono !text-sm" autoFocus required />
        <div className="grid grid-cols-2 gap-4">
          <Field label="Input" {...f.bind('input')} inputMode="decimal" placeholder="0.15" required /><Field label="Output" {...f.bind('output')} inputMode="decimal" placeholder="0.60" required />
          <Field label="Cache read" optional {...f.bind('cache_read')} inputMode="decimal" /><Field label="Cache write" optional {...f.bind('cache_write')} inputMode="decimal" />
        </div>
        <Field label="Per request" optional note="A fee for each call, in dollars." {...f.bind('request')} inputMode="decimal" />
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={f.busy}>Set</Button></DialogFoot>
      </form>
    </Dialog>
  );
}

function Sync({ onClose }: { onClose: () => void }) {
  const providers = useGet<{ data: Provider[] }>('/api/admin/providers');
  const [provider, setProvider] = useState('');
  const chosen = provider || providers.data?.data[0]?.name || '';
  const send = useSend((p: string) => ['/api/admin/prices/sync', { body: { provider: p } }], touched);
  return (
    <Dialog open onClose={onClose} title="Take prices from a provider" note="Its list becomes a new version of every price that has changed.">
      <div className="space-y-4">
        <SelectField label="Provider" value={chosen} onChange={setProvider} choices={(providers.data?.data ?? []).map((p) => ({ value: p.name, label: p.name }))} />
        <Problem>{send.error && messageOf(send.error)}</Problem>
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button look="primary" disabled={!chosen} busy={send.isPending} onClick={() => send.mutate(chosen, { onSuccess: () => { say('The prices are taken.'); onClose(); } })}>Take them</Button></DialogFoot>
      </div>
    </Dialog>
  );
}

function Rules() {
  const q = useGet<{ data: Rule[] }>('/api/admin/pricing-rules');
  const [adding, add] = useState(false);
  const [dropping, drop] = useState<Rule | null>(null);
  const remove = useSend((r: Rule) => [`/api/admin/pricing-rules/${r.id}`, { method: 'DELETE' }], touched);
  return (
    <Card flush title="Pricing rules" note="The rule with the highest priority that fits a model is taken." action={<Button look="primary" size="sm" icon={Plus} onClick={() => add(true)}>Add a rule</Button>}>
      <Table label="Pricing rules" rows={q.data?.data} error={q.error} retry={() => void q.refetch()} id={(r) => String(r.id)} empty={<Empty icon={Tags} title="No rules">Without a rule customers pay what providers charge.</Empty>} columns={[
        { head: 'Models', cell: (r) => <span className="font-mono text-sm font-medium">{r.model}</span> }, { head: 'Markup', right: true, cell: (r) => `${r.markup_percent} %` },
        { head: 'At least', right: true, cell: (r) => (r.min_cost && compare(r.min_cost, '0') > 0 ? <Money of={r.min_cost} /> : '—') }, { head: 'Priority', right: true, phone: 'hide', cell: (r) => count(r.priority) },
        { head: 'State', phone: 'hide', cell: (r) => (r.active === false ? <Badge dot>Off</Badge> : <Badge tone="good" dot>Active</Badge>) },
        { head: '', right: true, cell: (r) => <Button size="icon" look="quiet" aria-label={`Remove the rule for ${r.model}`} onClick={() => drop(r)}><Trash2 className="size-4" aria-hidden /></Button> },
      ]} />
      {adding && <AddRule onClose={() => add(false)} />}
      <Confirm open={!!dropping} onClose={() => drop(null)} title="Remove this rule?" action="Remove" onConfirm={async () => { await remove.mutateAsync(dropping!); say('Removed.'); }}>Calls quoted from now on are priced without it.</Confirm>
    </Card>
  );
}

function AddRule({ onClose }: { onClose: () => void }) {
  const send = useSend((body: unknown) => ['/api/admin/pricing-rules', { body }], touched);
  const [dry, setDry] = useState<{ of: string; run: DryRun } | null>(null);
  const [busy, setBusy] = useState(false);
  const bodyOf = (v: Record<string, string>) => {
    const markup = v.markup!.replace('%', '').trim();
    if (!/^-?\d+(\.\d+)?$/.test(markup)) throw new ApiError(422, 'validation_failed', 'It must be a percentage, such as 20.', 'markup');
    if (!/^-?\d+$/.test(v.priority!.trim())) throw new ApiError(422, 'validation_failed', 'It must be a whole number.', 'priority');
    return { model: v.model!.trim(), markup, ...(v.min_cost!.trim() && { min_cost: amountOf(v.min_cost!, 'min_cost') }), priority: Number(v.priority) };
  };
  const f = useForm<Record<string, string>>({ model: '*', markup: '20', min_cost: '', priority: '0' }, async (v) => { await send.mutateAsync(bodyOf(v)); say('The rule is added.'); onClose(); });
  const state = JSON.stringify(f.values);
  const tryIt = async () => {
    setBusy(true);
    f.setError(null);
    try { setDry({ of: state, run: await api<DryRun>('/api/admin/pricing-rules/dry-run', { body: bodyOf(f.values) }) }); } catch (e) { f.setError({ message: messageOf(e), ...(e instanceof ApiError && { field: e.field }) }); } finally { setBusy(false); }
  };
  return (
    <Dialog open onClose={onClose} wide title="Add a pricing rule">
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="Models" {...f.bind('model')} className="font-mono !text-sm" note="A name, or a pattern with *." autoFocus required /><Field label="Markup in percent" {...f.bind('markup')} inputMode="decimal" required />
          <Field label="At least, per call" optional {...f.bind('min_cost')} inputMode="decimal" placeholder="0.0001" /><Field label="Priority" {...f.bind('priority')} inputMode="numeric" />
        </div>
        {dry && (
          <section aria-label="Dry run" className={`rounded-lg border border-line ${dry.of !== state ? 'opacity-50' : ''}`}>
            <p className="px-4 pt-3 text-sm text-soft">The last 7 days, had this rule been there{dry.of !== state && ' (changed since)'}:</p>
            <div className="grid gap-3 p-4 sm:grid-cols-3">
              <Stat label="Calls">{count(dry.run.calls)}</Stat><Stat label="Charged"><Money of={dry.run.charged} round /></Stat><Stat label="Would be charged"><Money of={dry.run.would_charge} round /></Stat>
            </div>
            {dry.run.by_model.length > 0 && <div className="max-h-56 overflow-y-auto border-t border-line"><Table label="Dry run by model" rows={dry.run.by_model} id={(m) => m.model} empty={null} columns={[
              { head: 'Model', cell: (m) => <span className="break-all font-mono text-sm">{m.model}</span> }, { head: 'Calls', right: true, cell: (m) => count(m.calls) }, { head: 'Charged', right: true, cell: (m) => <Money of={m.charged} /> }, { head: 'Would be', right: true, cell: (m) => <Money of={m.would_charge} /> },
            ]} /></div>}
          </section>
        )}
        <DialogFoot><Button icon={FlaskConical} busy={busy} onClick={() => void tryIt()} className="mr-auto">Dry run</Button><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={f.busy}>Add the rule</Button></DialogFoot>
      </form>
    </Dialog>
  );
}
