import { useOptions } from '@/lib/session';
import { cx } from '@/ui/basic';

export function Mark({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" className={cx('size-7', className)} aria-hidden>
      <rect width="32" height="32" rx="8" className="fill-brand" />
      <g fill="none" className="stroke-on-brand" strokeWidth="3.2" strokeLinecap="round">
        <path d="M8 11h16M16 11v13" /><path d="M8 17.5h3.5M20.5 17.5H24" strokeOpacity=".55" />
      </g>
    </svg>
  );
}

export function Brand({ className }: { className?: string }) {
  const { options: { brand } } = useOptions();
  return (
    <span className={cx('flex min-w-0 items-center gap-2.5', className)}>
      {brand.logo_url ? <img src={brand.logo_url} alt="" className="h-7 max-w-32 object-contain" /> : <Mark />}
      <span className="truncate text-lg font-semibold tracking-tight">{brand.name}</span>
    </span>
  );
}
