import { Boxes, MessageSquare, Star } from 'lucide-react';
import { useMemo } from 'react';
import { query } from '@/lib/api';
import { useLate, useList, useParam, useTitle } from '@/lib/hooks';
import { compare, perMillion, usd } from '@/lib/money';
import { countShort } from '@/lib/time';
import type { Model } from '@/lib/types';
import { Badge, Card, Empty, LinkButton, PageHeader } from '@/ui/basic';
import { CopyButton, paged, Table } from '@/ui/data';
import { SearchField } from '@/ui/form';
import { Select } from '@/ui/select';

const price = (s: string | undefined) => (s === undefined ? <span className="text-faint">—</span> : compare(s, '0') === 0 ? <span className="text-good">free</span> : perMillion(s));

export default function Models() {
  useTitle('Models');
  const [q, setQ] = useParam('q');
  const [sort, setSort] = useParam('sort', 'recommended');
  const late = useLate(q);
  const list = useList<Model>('/api/models', { q: late }, 100);
  const rows = useMemo(() => list.rows && [...list.rows].sort((a, b) =>
    sort === 'cheap' ? compare(a.pricing.completion ?? '999', b.pricing.completion ?? '999') : sort === 'context' ? (b.context_length ?? 0) - (a.context_length ?? 0)
      : sort === 'name' ? a.id.localeCompare(b.id) : Number(b.recommended) - Number(a.recommended)), [list.rows, sort]);
  return (
    <>
      <PageHeader title="Models" note="US dollars per million tokens. What is listed is what you pay." />
      <Card flush>
        <div className="flex flex-wrap gap-2 p-4">
          <SearchField label="Search models" value={q} onChange={setQ} className="flex-1 basis-52" />
          <Select label="Order" value={sort} onChange={setSort} choices={[{ value: 'recommended', label: 'Recommended first' }, { value: 'name', label: 'By name' }, { value: 'cheap', label: 'Cheapest output first' }, { value: 'context', label: 'Longest context first' }]} />
        </div>
        <Table label="Models" rows={rows} {...paged(list)} id={(m) => m.id} empty={<Empty icon={Boxes} title={q ? 'No model is called that' : 'No models yet'}>{q ? 'Try a part of the name, or the maker.' : 'The operator has not set up a route yet.'}</Empty>} columns={[
          { head: 'Model', sort: (m) => m.id, cell: (m) => (
            <div className="min-w-0">
              <p className="flex items-center gap-2 font-medium"><span className="truncate">{m.name || m.id}</span>{m.recommended && <Badge tone="brand"><Star className="size-3" aria-hidden />Recommended</Badge>}</p>
              <p className="flex items-center gap-1 text-faint"><span className="truncate font-mono text-xs">{m.id}</span><CopyButton small text={m.id} label={`Copy ${m.id}`} /></p>
            </div>) },
          { head: 'Context', sort: (m) => m.context_length, right: true, cell: (m) => (m.context_length ? countShort(m.context_length) : '—') },
          { head: 'Input', sort: (m) => m.pricing.prompt, right: true, cell: (m) => price(m.pricing.prompt) },
          { head: 'Cached input', right: true, phone: 'hide', cell: (m) => price(m.pricing.cache_read) },
          { head: 'Output', sort: (m) => m.pricing.completion, right: true, cell: (m) => price(m.pricing.completion) },
          { head: 'Per request', right: true, phone: 'hide', cell: (m) => (m.pricing.request && compare(m.pricing.request, '0') > 0 ? usd(m.pricing.request) : <span className="text-faint">—</span>) },
          { head: '', right: true, cell: (m) => <LinkButton to={`/playground${query({ model: m.id })}`} size="sm" look="quiet" icon={MessageSquare}><span className="max-sm:sr-only">Try</span></LinkButton> },
        ]} />
      </Card>
    </>
  );
}
