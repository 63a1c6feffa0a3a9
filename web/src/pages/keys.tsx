import { EllipsisVertical, KeyRound, Pencil, Plus, RotateCw, Ban } from 'lucide-react';
import { useEffect, useState } from 'react';
import { useList, useParam, useSend, useTitle } from '@/lib/hooks';
import { percentOf } from '@/lib/money';
import { useMay, useMe } from '@/lib/session';
import { date } from '@/lib/time';
import type { Key } from '@/lib/types';
import { Badge, Bar, Button, Card, Empty, PageHeader } from '@/ui/basic';
import { Money, paged, Table, When } from '@/ui/data';
import { Select } from '@/ui/select';
import { say } from '@/ui/notices';
import { Confirm, Menu } from '@/ui/overlay';
import { KeyForm, RotateDialog, Shown } from './key-dialogs';

export function KeyStatus({ status }: { status: Key['status'] }) {
  return status === 'active' ? <Badge tone="good" dot>Active</Badge> : status === 'expired' ? <Badge tone="warn" dot>Expired</Badge> : <Badge dot>Revoked</Badge>;
}

export function CapBar({ cap, label }: { cap: Key['cap']; label: string }) {
  if (!cap) return <span className="text-faint">No cap</span>;
  return <span className="block w-36 max-sm:text-right"><span className="num text-sm"><Money of={cap.spent} round /> <span className="text-faint">of <Money of={cap.limit} /></span></span><span className="mt-1 block"><Bar percent={percentOf(cap.spent, cap.limit)} label={label} /></span></span>;
}

export default function Keys() {
  useTitle('API keys');
  const { user } = useMe();
  const may = useMay();
  const [status, setStatus] = useParam('status', 'active');
  const [wantsNew, setWantsNew] = useParam('new');
  const list = useList<Key>('/api/keys', { status: status === 'all' ? '' : status });
  const [editing, edit] = useState<Key | null>(null);
  const [making, make] = useState(false);
  const [rotating, rotate] = useState<Key | null>(null);
  const [revoking, revoke] = useState<Key | null>(null);
  const [shown, show] = useState<{ key: Key; rotated: boolean } | null>(null);
  const revocation = useSend((k: Key) => [`/api/keys/${k.id}/revoke`, { body: {} }], ['/api/keys']);
  useEffect(() => { if (wantsNew) { make(true); setWantsNew(''); } }, [wantsNew, setWantsNew]);
  const mine = (k: Key) => may('keys.all') || (may('keys.write') && k.created_by?.id === user.id);
  const create = may('keys.write') && <Button look="primary" icon={Plus} onClick={() => make(true)}>Create a key</Button>;
  return (
    <>
      <PageHeader title="API keys" note="A key is shown once, when it is made. Give each program its own, so that one can be ended alone.">{create}</PageHeader>
      <Card flush>
        <div className="flex items-center justify-between gap-3 p-4">
          <Select label="Status" value={status} onChange={setStatus} choices={[{ value: 'active', label: 'Active keys' }, { value: 'expired', label: 'Expired keys' }, { value: 'revoked', label: 'Revoked keys' }, { value: 'all', label: 'All keys' }]} />
        </div>
        <Table label="API keys" rows={list.rows} {...paged(list)} id={(k) => k.id}
          empty={<Empty icon={KeyRound} title={status === 'active' ? 'No keys yet' : 'None'} action={status === 'active' && create}>{status === 'active' ? 'With a key, your programs call models and spend this team\'s credit.' : 'No key has this status.'}</Empty>} columns={[
            { head: 'Name', sort: (k) => k.name, cell: (k) => <div className="min-w-0"><p className="truncate font-medium">{k.name}</p><p className="font-mono text-xs text-faint">{k.key_display}</p></div> },
            { head: 'May', phone: 'hide', cell: (k) => <span className="flex flex-wrap gap-1">{k.scope.split(' ').map((s) => <Badge key={s}>{s}</Badge>)}{k.models.length > 0 && <Badge title={k.models.join(', ')}>{k.models.length === 1 ? k.models[0] : `${k.models.length} models`}</Badge>}{k.ips.length > 0 && <Badge title={k.ips.join(', ')}>{k.ips.length === 1 ? k.ips[0] : `${k.ips.length} addresses`}</Badge>}</span> },
            { head: 'Spent', cell: (k) => <CapBar cap={k.cap} label={`Cap of ${k.name}`} /> },
            { head: 'Last used', sort: (k) => k.last_used_at, cell: (k) => <span className="text-soft"><When at={k.last_used_at} never="Never" /></span> },
            { head: 'Expires', phone: 'hide', cell: (k) => <span className="whitespace-nowrap text-soft">{k.expires_at ? date(k.expires_at) : 'Never'}</span> },
            { head: 'By', phone: 'hide', cell: (k) => <span className="block max-w-36 truncate text-soft" title={k.created_by?.email}>{k.created_by?.id === user.id ? 'You' : k.created_by?.name || k.created_by?.email || '—'}</span> },
            { head: 'Status', cell: (k) => <KeyStatus status={k.status} /> },
            { head: '', right: true, cell: (k) => k.status !== 'active' || !mine(k) ? null : (
              <Menu trigger={<Button look="quiet" size="icon" aria-label={`Actions for ${k.name}`}><EllipsisVertical className="size-4" aria-hidden /></Button>} entries={[
                { label: 'Edit', icon: Pencil, onSelect: () => edit(k) }, { label: 'Rotate', icon: RotateCw, onSelect: () => rotate(k) }, '-',
                { label: 'Revoke', icon: Ban, danger: true, onSelect: () => revoke(k) },
              ]} />) },
          ]} />
      </Card>
      {(making || editing) && <KeyForm of={editing} onClose={() => { make(false); edit(null); }} onMade={(k) => { make(false); show({ key: k, rotated: false }); }} />}
      {rotating && <RotateDialog of={rotating} onClose={() => rotate(null)} onDone={(k) => { rotate(null); show({ key: k, rotated: true }); }} />}
      {shown && <Shown made={shown.key} rotated={shown.rotated} onClose={() => show(null)} />}
      <Confirm open={!!revoking} onClose={() => revoke(null)} title={`Revoke ${revoking?.name ?? ''}?`} action="Revoke the key" onConfirm={async () => { await revocation.mutateAsync(revoking!); say('The key is revoked.'); }}>
        Programs that use <span className="font-mono text-sm text-ink">{revoking?.key_display}</span> are refused from the next call on. This cannot be taken back.
      </Confirm>
    </>
  );
}
