import { ScrollText } from 'lucide-react';
import { useState } from 'react';
import { useLate, useList } from '@/lib/hooks';
import { dateTime, shortTime } from '@/lib/time';
import type { AuditLine } from '@/lib/types';
import { Empty } from '@/ui/basic';
import { Facts, paged, Table } from '@/ui/data';
import { SearchField } from '@/ui/form';
import { Dialog } from '@/ui/overlay';

const brief = (change: unknown) => {
  if (!change || typeof change !== 'object') return '';
  return Object.entries(change).map(([k, v]) => `${k}: ${Array.isArray(v) ? v.map((x) => JSON.stringify(x)).join(' → ') : typeof v === 'string' ? v : JSON.stringify(v)}`).join(', ');
};

export function AuditTable({ path }: { path: string }) {
  const [action, setAction] = useState('');
  const list = useList<AuditLine>(path, { action: useLate(action.trim()) });
  const [opened, open] = useState<AuditLine | null>(null);
  return (
    <>
      <div className="p-4"><SearchField label="Filter by action, such as key.create" value={action} onChange={setAction} className="max-w-md" /></div>
      <Table label="Audit log" rows={list.rows} {...paged(list)} id={(l) => l.id} onRow={open} empty={<Empty icon={ScrollText} title="Nothing recorded">{action ? 'No action is called that.' : 'Whoever changes something is recorded here.'}</Empty>} columns={[
        { head: 'Action', cell: (l) => <button type="button" onClick={() => open(l)} className="font-mono text-sm font-medium hover:underline">{l.action}</button> },
        { head: 'Who', cell: (l) => <span className="block max-w-56 truncate">{l.actor?.email || l.actor?.id || 'the house'}</span> },
        { head: 'Change', phone: 'hide', cell: (l) => <span className="block max-w-xs truncate text-soft" title={brief(l.change)}>{brief(l.change) || '—'}</span> },
        { head: 'From', phone: 'hide', cell: (l) => <span className="font-mono text-xs text-soft">{l.address || '—'}</span> },
        { head: 'When', right: true, cell: (l) => <time dateTime={l.at} title={dateTime(l.at)} className="whitespace-nowrap text-soft">{shortTime(l.at)}</time> },
      ]} />
      {opened && (
        <Dialog open onClose={() => open(null)} title={opened.action}>
          <Facts of={[['Who', opened.actor?.email || opened.actor?.id || 'the house'], ['When', dateTime(opened.at)], ['From', opened.address || '—'], ['Object', <span className="break-all font-mono text-sm">{opened.object}</span>]]} />
          <pre tabIndex={0} className="mt-4 max-h-72 overflow-auto rounded-lg border border-line bg-sunk p-3 font-mono text-xs">{JSON.stringify(opened.change, null, 2)}</pre>
        </Dialog>
      )}
    </>
  );
}
