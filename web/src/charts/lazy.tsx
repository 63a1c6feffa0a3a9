import { lazy, Suspense } from 'react';
import { ChartColumn } from 'lucide-react';
import type { Series } from '@/lib/types';
import { Empty, Skeleton } from '@/ui/basic';
import { Failed } from '@/ui/data';
import type { Measure } from './series';

const SeriesChart = lazy(() => import('./series'));

// The library for charts is large and comes behind everything else.
export function Chart({ q, measure, empty, height = 260 }: { q: { data?: Series; error: unknown; refetch: () => unknown }; measure: Measure; empty?: React.ReactNode; height?: number }) {
  if (q.error && !q.data) return <Failed error={q.error} retry={() => void q.refetch()} />;
  if (q.data && q.data.points.length === 0) return <Empty icon={ChartColumn} title="Nothing in this period">{empty}</Empty>;
  const waiting = <div style={{ height }}><Skeleton className="size-full" /></div>;
  return q.data ? <Suspense fallback={waiting}><SeriesChart series={q.data} measure={measure} height={height} /></Suspense> : waiting;
}
