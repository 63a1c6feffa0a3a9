import { ArrowLeft, Ban, Check, Circle, CircleAlert, LoaderCircle, RotateCw } from 'lucide-react';
import { Link, useParams } from 'wouter';
import { useGet, useSend, useTitle } from '@/lib/hooks';
import { dateTime, duration } from '@/lib/time';
import type { JobDetail, JobStep } from '@/lib/types';
import { Button, Card, Empty, PageHeader, Skeleton } from '@/ui/basic';
import { CopyButton, Facts, Failed, When } from '@/ui/data';
import { Problem } from '@/ui/form';
import { say, sayError } from '@/ui/notices';
import { JobState } from './jobs';

const over = new Set(['done', 'failed', 'cancelled']);

function StepIcon({ state }: { state: string }) {
  if (state === 'done') return <span className="grid size-6 place-items-center rounded-full bg-good/15 text-good"><Check className="size-3.5" aria-hidden /></span>;
  if (state === 'running') return <span className="grid size-6 place-items-center rounded-full bg-brand/15 text-brand-ink"><LoaderCircle className="size-3.5 animate-spin" aria-hidden /></span>;
  if (state === 'failed' || state === 'needs_attention' || state === 'retrying') return <span className="grid size-6 place-items-center rounded-full bg-bad/10 text-bad"><CircleAlert className="size-3.5" aria-hidden /></span>;
  return <span className="grid size-6 place-items-center rounded-full bg-sunk text-faint"><Circle className="size-3" aria-hidden /></span>;
}

function Step({ of: s, last }: { of: JobStep; last: boolean }) {
  return (
    <li className="relative flex gap-4 pb-6 last:pb-0">
      {!last && <span aria-hidden className="absolute left-3 top-7 h-[calc(100%-1.75rem)] w-px bg-line" />}
      <StepIcon state={s.state} />
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-center gap-x-3 gap-y-1"><span className="font-medium">{s.name}</span><JobState state={s.state} />{s.attempt > 1 && <span className="text-sm text-faint">attempt {s.attempt}</span>}</p>
        <p className="num mt-0.5 text-sm text-faint">{s.started_at ? dateTime(s.started_at) : 'not begun'}{s.started_at && s.ended_at && `, took ${duration(Date.parse(s.ended_at) - Date.parse(s.started_at))}`}</p>
        {s.error && <p className="mt-1.5 break-words rounded border border-bad/30 bg-bad/5 px-2.5 py-1.5 text-sm text-bad">{s.error}</p>}
      </div>
    </li>
  );
}

export default function JobPage() {
  const { id = '' } = useParams<{ id: string }>();
  const path = `/api/admin/jobs/${encodeURIComponent(id)}`;
  const q = useGet<JobDetail>(path, 5_000);
  const retry = useSend(() => [`${path}/retry`, { body: {} }], ['/api/admin/jobs']);
  const cancel = useSend(() => [`${path}/cancel`, { body: {} }], ['/api/admin/jobs']);
  const j = q.data;
  useTitle(j ? j.kind : 'Job');
  const back = <Link href="/admin/jobs" className="mb-3 inline-flex items-center gap-1.5 text-sm font-medium text-soft hover:text-ink"><ArrowLeft className="size-3.5" aria-hidden />Jobs</Link>;
  if (q.error && !j) return <>{back}<Failed error={q.error} retry={() => void q.refetch()} /></>;
  if (!j) return <>{back}<Skeleton className="mb-6 h-9 w-72" /><Skeleton className="h-64" /></>;
  return (
    <>
      {back}
      <PageHeader title={<span className="flex flex-wrap items-center gap-3">{j.kind}<JobState state={j.state} /></span>}>
        {j.state !== 'done' && j.state !== 'cancelled' && j.state !== 'running' && <Button icon={RotateCw} busy={retry.isPending} onClick={() => retry.mutate(undefined, { onSuccess: () => say('It runs again.'), onError: sayError })}>Retry now</Button>}
        {!over.has(j.state) && <Button icon={Ban} busy={cancel.isPending} onClick={() => cancel.mutate(undefined, { onSuccess: () => say('It is being cancelled.'), onError: sayError })}>Cancel</Button>}
      </PageHeader>
      <div className="grid gap-4 lg:grid-cols-[2fr_1fr]">
        <Card title="Steps">{j.steps.length === 0 ? <Empty title="No step has begun" /> : <ol>{j.steps.map((s, i) => <Step key={`${s.name}${s.attempt}${i}`} of={s} last={i === j.steps.length - 1} />)}</ol>}</Card>
        <Card title="Run">
          {j.error && <div className="mb-4"><Problem>{j.error}</Problem></div>}
          <Facts of={[['Number', <span className="flex items-center gap-1"><span className="break-all font-mono text-xs">{j.id}</span><CopyButton small text={j.id} label="Copy the number" /></span>], ['Attempt', `${j.attempt} of ${j.attempts_max}`], ['Begun', <When at={j.created_at} />], ['Next', over.has(j.state) ? '—' : <When at={j.wake_at} />]]} />
        </Card>
      </div>
    </>
  );
}
