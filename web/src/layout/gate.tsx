// The frame of the pages before one is in.
import type { ReactNode } from 'react';
import { Link } from 'wouter';
import { Brand } from './brand';

export function Gate({ title, note, children, foot, wide }: { title: ReactNode; note?: ReactNode; children?: ReactNode; foot?: ReactNode; wide?: boolean }) {
  return (
    <div className="relative flex min-h-dvh flex-col overflow-hidden">
      <div aria-hidden className="pointer-events-none absolute inset-x-0 top-0 h-80 bg-gradient-to-b from-brand/10 to-transparent" />
      <header className="relative px-5 py-5 sm:px-8"><Link href="/" className="inline-block"><Brand /></Link></header>
      <main className="relative flex flex-1 items-start justify-center px-4 pb-16 pt-[6vh]">
        <div className={`w-full ${wide ? 'max-w-lg' : 'max-w-[25rem]'}`}>
          <div className="rounded-xl border border-line bg-panel p-6 shadow-pop sm:p-8">
            <h1 className="text-2xl font-semibold tracking-tight">{title}</h1>
            {note && <p className="mt-1.5 text-soft">{note}</p>}
            <div className="mt-6">{children}</div>
          </div>
          {foot && <p className="mt-5 text-center text-soft">{foot}</p>}
        </div>
      </main>
    </div>
  );
}
