import { useSearch } from 'wouter';
import { safeNext } from '@/lib/auth';
import { useOptions } from '@/lib/session';

const marks: Record<string, string> = {
  github: 'M12 .5a11.5 11.5 0 0 0-3.64 22.41c.58.1.79-.25.79-.56v-2.17c-3.2.7-3.88-1.37-3.88-1.37-.52-1.33-1.28-1.69-1.28-1.69-1.05-.71.08-.7.08-.7 1.16.08 1.77 1.19 1.77 1.19 1.03 1.77 2.7 1.26 3.36.96.1-.75.4-1.26.73-1.55-2.55-.29-5.24-1.28-5.24-5.69 0-1.25.45-2.28 1.18-3.08-.12-.29-.51-1.46.11-3.05 0 0 .97-.31 3.17 1.18a11 11 0 0 1 5.77 0c2.2-1.49 3.16-1.18 3.16-1.18.63 1.59.23 2.76.12 3.05.74.8 1.18 1.83 1.18 3.08 0 4.42-2.7 5.39-5.26 5.68.41.35.77 1.05.77 2.12v3.14c0 .31.21.67.8.56A11.5 11.5 0 0 0 12 .5z',
  google: 'M21.8 10.2H12v3.9h5.6c-.5 2.5-2.6 3.9-5.6 3.9a6 6 0 1 1 0-12c1.5 0 2.9.5 4 1.5l2.9-2.9A10 10 0 1 0 12 22c5.5 0 9.8-4 9.8-10 0-.6 0-1.2-.1-1.8z',
};

export function Providers({ verb }: { verb: string }) {
  const { options } = useOptions();
  const next = safeNext(useSearch());
  if (options.providers.length === 0) return null;
  return (
    <div className="mt-5 space-y-2.5">
      {options.password && <div className="flex items-center gap-3 text-sm text-faint"><span className="h-px flex-1 bg-line" />or<span className="h-px flex-1 bg-line" /></div>}
      {options.providers.map((p) => (
        <a key={p.id} href={`/api/auth/oidc/${encodeURIComponent(p.id)}/start?redirect=${encodeURIComponent(next)}`}
          className="flex h-10 items-center justify-center gap-2.5 rounded-md border border-line-strong bg-panel font-medium shadow-card hover:bg-sunk">
          {marks[p.id] && <svg viewBox="0 0 24 24" className="size-4 fill-current" aria-hidden><path d={marks[p.id]} /></svg>}
          {verb} with {p.name}
        </a>
      ))}
    </div>
  );
}
