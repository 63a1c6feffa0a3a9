import { ListChecks } from 'lucide-react';
import { Link, useLocation } from 'wouter';
import { useLate, useList, useParam, useTitle } from '@/lib/hooks';
import type { Job } from '@/lib/types';
import { Badge, Card, Empty, PageHeader, type Tone } from '@/ui/basic';
import { paged, Table, When } from '@/ui/data';
import { SearchField } from '@/ui/form';
import { Select } from '@/ui/select';

export const jobStates: Record<string, [string, Tone]> = {
  scheduled: ['Scheduled', 'plain'], queued: ['Queued', 'plain'], ready: ['Ready', 'plain'], running: ['Running', 'brand'], sleeping: ['Sleeping', 'plain'], waiting: ['Waiting', 'plain'], retrying: ['Retrying', 'warn'],
  done: ['Done', 'good'], failed: ['Failed', 'bad'], needs_attention: ['Needs attention', 'bad'], cancelling: ['Cancelling', 'warn'], cancelled: ['Cancelled', 'plain'],
};
export function JobState({ state }: { state: string }) {
  const [name, tone] = jobStates[state] ?? [state.replace(/_/g, ' '), 'plain' as Tone];
  return <Badge tone={tone} dot>{name}</Badge>;
}

export default function Jobs() {
  useTitle('Jobs');
  const [state, setState] = useParam('state');
  const [kind, setKind] = useParam('kind');
  const [, go] = useLocation();
  const list = useList<Job>('/api/admin/jobs', { state, kind: useLate(kind.trim()) });
  const choices = ['scheduled', 'running', 'sleeping', 'retrying', 'needs_attention', 'done', 'cancelled'].map((s) => ({ value: s, label: jobStates[s]![0] }));
  return (
    <>
      <PageHeader title="Jobs" note="What the house does by itself: mails, expiries, keys at providers. Each step is done once, whatever crashes." />
      <Card flush>
        <div className="flex flex-wrap gap-2 p-4"><SearchField label="Kind of job" value={kind} onChange={setKind} className="flex-1 basis-52" /><Select label="State" value={state} onChange={setState} choices={[{ value: '', label: 'Any state' }, ...choices]} /></div>
        <Table label="Jobs" rows={list.rows} {...paged(list)} id={(j) => j.id} onRow={(j) => go(`/admin/jobs/${j.id}`)} empty={<Empty icon={ListChecks} title="No jobs">{state || kind ? 'None fits these filters.' : 'Nothing has been begun yet.'}</Empty>} columns={[
          { head: 'Job', cell: (j) => <div className="min-w-0"><Link href={`/admin/jobs/${j.id}`} className="font-medium hover:underline">{j.kind}</Link><p className="truncate font-mono text-xs text-faint">{j.id}</p></div> },
          { head: 'State', cell: (j) => <JobState state={j.state} /> }, { head: 'Step', phone: 'hide', cell: (j) => <span className="text-soft">{j.step ?? '—'}</span> },
          { head: 'Attempt', right: true, phone: 'hide', cell: (j) => `${j.attempt} of ${j.attempts_max}` }, { head: 'Error', phone: 'hide', cell: (j) => <span className="block max-w-xs truncate text-bad" title={j.error ?? ''}>{j.error}</span> },
          { head: 'Next', phone: 'hide', cell: (j) => <span className="text-soft">{j.state === 'done' || j.state === 'cancelled' ? '—' : <When at={j.wake_at} />}</span> }, { head: 'Begun', right: true, cell: (j) => <span className="text-soft"><When at={j.created_at} /></span> },
        ]} />
      </Card>
    </>
  );
}
