import { getCoreRowModel, getSortedRowModel, useReactTable, type Header, type SortingState } from '@tanstack/react-table';
import { ArrowDown, ArrowUp, Check, ChevronsUpDown, Copy, RotateCw, TriangleAlert } from 'lucide-react';
import { Fragment, useState, type ReactNode } from 'react';
import { ApiError, messageOf } from '@/lib/api';
import { useCopy } from '@/lib/hooks';
import { compare, isDecimal, usd, usdRounded } from '@/lib/money';
import { ago, dateTime } from '@/lib/time';
import { Button, cx, Skeleton } from './basic';

export function CopyButton({ text, label = 'Copy', small, className }: { text: string; label?: string; small?: boolean; className?: string }) {
  const { copied, copy } = useCopy();
  const Icon = copied ? Check : Copy;
  if (small) return (
    <button type="button" onClick={() => void copy(text)} aria-label={copied ? 'Copied' : label} title={label} className={cx('inline-grid size-6 shrink-0 place-items-center rounded text-faint hover:bg-sunk hover:text-ink', className)}>
      <Icon className={cx('size-3.5', copied && 'text-good')} aria-hidden />
    </button>
  );
  return <Button size="sm" icon={Icon} onClick={() => void copy(text)} className={className}><span aria-live="polite">{copied ? 'Copied' : label}</span></Button>;
}

export function Code({ children, wrap, label }: { children: string; wrap?: boolean; label?: string }) {
  return (
    <div className="group relative rounded-lg border border-line bg-sunk">
      <pre tabIndex={0} aria-label={label} className={cx('overflow-x-auto p-4 pr-12 font-mono text-[0.8rem] leading-relaxed', wrap && 'whitespace-pre-wrap break-all')}><code>{children}</code></pre>
      <CopyButton text={children} small label="Copy the code" className="!absolute right-2.5 top-2.5 border border-line bg-panel" />
    </div>
  );
}

// What is shown this once.
export function Secret({ of, label }: { of: string; label: string }) {
  return (
    <>
      <p className="flex items-start gap-2.5 rounded-md border border-warn-face/50 bg-warn-face/10 px-3 py-2.5"><TriangleAlert className="mt-0.5 size-4 shrink-0 text-warn" aria-hidden /><span><b className="font-semibold">Copy it now.</b> It cannot be shown again.</span></p>
      <div className="flex items-center gap-2 rounded-md border border-line-strong bg-sunk p-2 pl-3"><code data-secret className="min-w-0 flex-1 whitespace-pre-wrap break-all font-mono text-sm">{of}</code><CopyButton text={of} label={label} /></div>
    </>
  );
}

// Exact below a dollar and in tables; large figures in cents with the exact value on top.
export function Money({ of, round, className }: { of: string; round?: boolean | 'down'; className?: string }) {
  return <span className={cx('num', className)} title={round ? usd(of) : undefined}>{round ? usdRounded(of, round === 'down') : usd(of)}</span>;
}

export function When({ at, never = '—' }: { at: string | null | undefined; never?: string }) {
  return at ? <time dateTime={at} title={dateTime(at)} className="whitespace-nowrap">{ago(at)}</time> : <span className="text-faint">{never}</span>;
}

export function Failed({ error, retry }: { error: unknown; retry?: () => void }) {
  const id = error instanceof ApiError ? error.requestId : undefined;
  return (
    <div role="alert" className="flex flex-col items-center px-6 py-12 text-center">
      <span className="mb-4 grid size-11 place-items-center rounded-xl border border-bad/30 bg-bad/5 text-bad"><TriangleAlert className="size-5" aria-hidden /></span>
      <p className="font-semibold">This could not be loaded</p>
      <p className="mt-1 max-w-md text-soft">{messageOf(error)}</p>
      {id && <p className="mt-1 font-mono text-xs text-faint">{id}</p>}
      {retry && <Button className="mt-4" icon={RotateCw} onClick={retry}>Try again</Button>}
    </div>
  );
}

type Key = string | number | null | undefined;
export interface Column<T> {
  head: string; cell: (row: T) => ReactNode; right?: boolean;
  /** What to order by; decimals as the strings that they are. Offered when the list is whole. */
  sort?: (row: T) => Key;
  /** On a phone the first column is the row's title; the others stand below it with their heads, or not at all. */
  phone?: 'hide'; className?: string;
}
interface TableProps<T> {
  columns: Column<T>[]; rows: T[] | undefined; id: (row: T) => string; error?: unknown; retry?: () => void;
  empty: ReactNode; more?: { has: boolean; busy: boolean; get: () => void }; label: string; onRow?: (row: T) => void;
}

function order(a: Key, b: Key): number {
  if (a == null || b == null) return Number(a != null) - Number(b != null);
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  const x = String(a), y = String(b);
  return isDecimal(x) && isDecimal(y) ? compare(x, y) : x.localeCompare(y);
}

function Head<T>({ header, column: c }: { header: Header<T, unknown>; column: Column<T> }) {
  const sorted = header.column.getIsSorted();
  const Icon = sorted === 'asc' ? ArrowUp : sorted === 'desc' ? ArrowDown : ChevronsUpDown;
  return (
    <th scope="col" aria-sort={sorted === 'asc' ? 'ascending' : sorted === 'desc' ? 'descending' : undefined}
      className={cx('border-y border-line bg-sunk/50 px-3 py-2 text-left text-xs font-medium text-faint first:pl-5 last:pr-5', c.right && 'text-right')}>
      {!c.head ? <span className="sr-only">Actions</span> : !header.column.getCanSort() ? c.head : (
        <button type="button" onClick={header.column.getToggleSortingHandler()} className={cx('group inline-flex items-center gap-1 hover:text-ink', c.right && 'flex-row-reverse', sorted && 'text-ink')}>
          {c.head}<Icon className={cx('size-3', !sorted && 'opacity-0 group-hover:opacity-60 group-focus-visible:opacity-60')} aria-hidden />
        </button>
      )}
    </th>
  );
}

const cellFace = (i: number, c: Column<never>) => cx(
  'px-3 py-2.5 align-middle first:pl-5 last:pr-5 max-sm:p-0 max-sm:first:p-0 max-sm:last:p-0', c.right && 'num text-right', c.phone === 'hide' && 'max-sm:hidden', c.className,
  i === 0 ? 'max-sm:min-w-0' : c.head ? 'max-sm:col-span-2 max-sm:flex max-sm:items-center max-sm:justify-between max-sm:gap-4' : 'max-sm:col-start-2 max-sm:row-start-1 max-sm:text-right',
);
const NONE: never[] = [];

export function Table<T>({ columns, rows, id, error, retry, empty, more, label, onRow }: TableProps<T>) {
  const [sorting, setSorting] = useState<SortingState>([]);
  const whole = !more?.has;
  const table = useReactTable<T>({
    data: rows ?? NONE, state: { sorting: whole ? sorting : NONE }, onSortingChange: setSorting, getRowId: id, getCoreRowModel: getCoreRowModel(), getSortedRowModel: getSortedRowModel(),
    columns: columns.map((c, i) => ({ id: String(i), accessorFn: c.sort ?? (() => null), enableSorting: whole && !!c.sort, sortDescFirst: c.right, sortingFn: (a, b, k) => order(a.getValue<Key>(k), b.getValue<Key>(k)) })),
  });
  if (error && !rows) return <Failed error={error} retry={retry} />;
  if (rows && rows.length === 0) return <>{empty}</>;
  return (
    <div aria-busy={!rows}>
      <table aria-label={label} className="w-full border-collapse text-base max-sm:block">
        <thead className="max-sm:sr-only"><tr>{table.getFlatHeaders().map((h, i) => <Head key={h.id} header={h} column={columns[i]!} />)}</tr></thead>
        <tbody className="border-line max-sm:block max-sm:border-t">
          {rows ? table.getRowModel().rows.map(({ id: key, original: row }) => (
            <tr key={key} onClick={onRow && ((e) => { if (!(e.target as HTMLElement).closest('a,button,input')) onRow(row); })}
              className={cx('border-b border-line last:border-0 hover:bg-sunk/40 max-sm:grid max-sm:grid-cols-[1fr_auto] max-sm:gap-x-4 max-sm:gap-y-1.5 max-sm:px-5 max-sm:py-3', onRow && 'cursor-pointer')}>
              {columns.map((c, i) => (
                <td key={c.head || i} className={cellFace(i, c as Column<never>)}>
                  {i > 0 && c.head && <span aria-hidden className="text-sm text-faint sm:hidden">{c.head}</span>}
                  {c.cell(row)}
                </td>
              ))}
            </tr>
          )) : Array.from({ length: 5 }, (_, i) => (
            <tr key={i} className="border-b border-line last:border-0">{columns.map((c, k) => <td key={k} className="px-3 py-3.5 first:pl-5 last:pr-5"><Skeleton className={cx('h-3.5', c.right ? 'ml-auto w-14' : k === 0 ? 'w-36' : 'w-20')} /></td>)}</tr>
          ))}
        </tbody>
      </table>
      {more?.has && <div className="border-t border-line p-3 text-center"><Button size="sm" look="quiet" busy={more.busy} onClick={more.get}>Show more</Button></div>}
    </div>
  );
}

// What useList gives, as a table's properties.
export const paged = (q: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown; error: unknown; refetch: () => unknown }) => ({
  error: q.error, retry: () => void q.refetch(), more: { has: q.hasNextPage, busy: q.isFetchingNextPage, get: () => void q.fetchNextPage() },
});

export function Facts({ of }: { of: [string, ReactNode][] }) {
  return (
    <dl className="grid grid-cols-[max-content_1fr] gap-x-8 gap-y-2.5 text-base">
      {of.map(([name, value]) => <Fragment key={name}><dt className="text-soft">{name}</dt><dd className="min-w-0 break-words text-right sm:text-left">{value}</dd></Fragment>)}
    </dl>
  );
}
