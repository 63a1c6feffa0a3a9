import * as RTabs from '@radix-ui/react-tabs';
import type { ReactNode } from 'react';

export function Tabs({ value, onChange, tabs, label, children }: { value: string; onChange: (v: string) => void; tabs: [string, string][]; label: string; children?: ReactNode }) {
  return (
    <RTabs.Root value={value} onValueChange={onChange}>
      <RTabs.List aria-label={label} className="mb-5 flex gap-6 overflow-x-auto border-b border-line">
        {tabs.map(([id, name]) => (
          <RTabs.Trigger key={id} value={id} className="-mb-px whitespace-nowrap border-b-2 border-transparent px-0.5 pb-2.5 pt-1 text-base font-medium text-soft hover:text-ink data-[state=active]:border-brand data-[state=active]:text-ink">{name}</RTabs.Trigger>
        ))}
      </RTabs.List>
      {tabs.map(([id]) => <RTabs.Content key={id} value={id} className="outline-none">{id === value ? children : null}</RTabs.Content>)}
    </RTabs.Root>
  );
}

// A small choice that is shown whole: 7 days, 30 days, …
export function Segments({ label, value, onChange, options }: { label: string; value: string; onChange: (v: string) => void; options: [string, string][] }) {
  return (
    <div role="radiogroup" aria-label={label} className="inline-flex rounded-md border border-line bg-sunk p-0.5">
      {options.map(([id, name]) => (
        <button key={id} type="button" role="radio" aria-checked={id === value} onClick={() => onChange(id)}
          className={`h-7 rounded px-2.5 text-sm font-medium ${id === value ? 'bg-panel text-ink shadow-card' : 'text-soft hover:text-ink'}`}>{name}</button>
      ))}
    </div>
  );
}
