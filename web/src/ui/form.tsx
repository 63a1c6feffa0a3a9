import { CircleAlert, Eye, EyeOff, Search } from 'lucide-react';
import { forwardRef, useEffect, useId, useRef, useState, type InputHTMLAttributes, type ReactNode, type TextareaHTMLAttributes } from 'react';
import { cx } from './basic';

export interface Around { label: string; note?: ReactNode; error?: string; optional?: boolean; hideLabel?: boolean; corner?: ReactNode }
export function Around({ id, label, note, error, optional, hideLabel, corner, children }: Around & { id: string; children: ReactNode }) {
  return (
    <div>
      <div className={cx('mb-1.5 flex items-baseline justify-between gap-3', hideLabel && 'sr-only')}>
        <label htmlFor={id} className="text-sm font-medium">{label}{optional && <span className="ml-1.5 font-normal text-faint">optional</span>}</label>
        {corner}
      </div>
      {children}
      {error ? <p id={`${id}-error`} className="mt-1.5 flex items-start gap-1.5 text-sm text-bad"><CircleAlert className="mt-0.5 size-3.5 shrink-0" aria-hidden />{error}</p>
        : note && <p id={`${id}-note`} className="mt-1.5 text-sm text-faint">{note}</p>}
    </div>
  );
}

export const Field = forwardRef<HTMLInputElement, Around & InputHTMLAttributes<HTMLInputElement>>(function Field({ label, note, error, optional, hideLabel, corner, className, ...rest }, ref) {
  const own = useId(), id = rest.id ?? own;
  const [shown, show] = useState(false);
  const password = rest.type === 'password';
  return (
    <Around {...{ id, label, note, error, optional, hideLabel, corner }}>
      <div className="relative">
        <input {...rest} ref={ref} id={id} type={password && shown ? 'text' : rest.type} aria-invalid={!!error || undefined}
          aria-describedby={error ? `${id}-error` : note ? `${id}-note` : undefined} className={cx('input', password && 'pr-10', className)} />
        {password && (
          <button type="button" onClick={() => show(!shown)} aria-label={shown ? 'Hide the password' : 'Show the password'} className="absolute inset-y-0 right-0 grid w-10 place-items-center rounded-md text-faint hover:text-ink">
            {shown ? <EyeOff className="size-4" aria-hidden /> : <Eye className="size-4" aria-hidden />}
          </button>
        )}
      </div>
    </Around>
  );
});

export function TextField({ label, note, error, optional, hideLabel, corner, className, ...rest }: Around & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const id = useId();
  return (
    <Around {...{ id, label, note, error, optional, hideLabel, corner }}>
      <textarea {...rest} id={id} aria-invalid={!!error || undefined} aria-describedby={error ? `${id}-error` : note ? `${id}-note` : undefined} className={cx('input', className)} />
    </Around>
  );
}

// "/" goes there from anywhere on the page.
export function SearchField({ label, value, onChange, className }: { label: string; value: string; onChange: (v: string) => void; className?: string }) {
  const ref = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const key = (e: KeyboardEvent) => {
      if (e.key !== '/' || (e.target as HTMLElement).closest('input,textarea,[role=dialog]')) return;
      e.preventDefault();
      ref.current?.focus();
    };
    document.addEventListener('keydown', key);
    return () => document.removeEventListener('keydown', key);
  }, []);
  return (
    <div className={cx('relative min-w-0', className)}>
      <Search className="pointer-events-none absolute left-2.5 top-2.5 size-4 text-faint" aria-hidden />
      <input ref={ref} type="search" aria-label={label} placeholder={label} value={value} onChange={(e) => onChange(e.target.value)} className="input pl-8 [&::-webkit-search-cancel-button]:opacity-50" />
    </div>
  );
}

export function Problem({ children }: { children: ReactNode }) {
  return !children ? null : (
    <div role="alert" className="flex items-start gap-2.5 rounded-md border border-bad/30 bg-bad/5 px-3 py-2.5 text-base text-bad">
      <CircleAlert className="mt-0.5 size-4 shrink-0" aria-hidden /><div className="min-w-0">{children}</div>
    </div>
  );
}
