import * as RSelect from '@radix-ui/react-select';
import * as RSwitch from '@radix-ui/react-switch';
import { Check, ChevronDown } from 'lucide-react';
import { useId, type ReactNode } from 'react';
import { cx } from './basic';
import type { Around } from './form';

export interface Choice { value: string; label: string; note?: string }
const NONE = '\u0000'; // Radix keeps the empty value for "nothing chosen"
export function Select({ label, value, onChange, choices, className, small }: { label: string; value: string; onChange: (v: string) => void; choices: Choice[]; className?: string; small?: boolean }) {
  const chosen = choices.find((c) => c.value === value);
  return (
    <RSelect.Root value={value || NONE} onValueChange={(v) => onChange(v === NONE ? '' : v)}>
      <RSelect.Trigger aria-label={label} className={cx('input inline-flex w-auto items-center justify-between gap-2 text-left', small && 'h-8 px-2.5 text-sm', className)}>
        <span className="truncate"><RSelect.Value>{chosen?.label ?? value}</RSelect.Value></span>
        <ChevronDown className="size-3.5 shrink-0 text-faint" aria-hidden />
      </RSelect.Trigger>
      <RSelect.Portal>
        <RSelect.Content position="popper" sideOffset={4} className="menu max-h-80 min-w-[var(--radix-select-trigger-width)] overflow-hidden">
          <RSelect.Viewport>
            {choices.map((c) => (
              <RSelect.Item key={c.value} value={c.value || NONE} className="menu-item pr-8">
                <span className="min-w-0">
                  <RSelect.ItemText>{c.label}</RSelect.ItemText>
                  {c.note && <span className="block max-w-64 text-sm text-faint">{c.note}</span>}
                </span>
                <RSelect.ItemIndicator className="absolute right-2"><Check className="size-4 !text-brand-ink" aria-hidden /></RSelect.ItemIndicator>
              </RSelect.Item>
            ))}
          </RSelect.Viewport>
        </RSelect.Content>
      </RSelect.Portal>
    </RSelect.Root>
  );
}

export function SelectField({ label, note, error, ...rest }: Around & { value: string; onChange: (v: string) => void; choices: Choice[] }) {
  return (
    <div>
      <p className="mb-1.5 text-sm font-medium" aria-hidden>{label}</p>
      <Select label={label} {...rest} className="!w-full" />
      {error ? <p className="mt-1.5 text-sm text-bad">{error}</p> : note && <p className="mt-1.5 text-sm text-faint">{note}</p>}
    </div>
  );
}

export function Switch({ label, note, checked, onChange, disabled }: { label: string; note?: ReactNode; checked: boolean; onChange: (on: boolean) => void; disabled?: boolean }) {
  const id = useId();
  return (
    <div className="flex items-start justify-between gap-4">
      <label htmlFor={id} className="min-w-0"><span className="text-base font-medium">{label}</span>{note && <span className="mt-0.5 block text-sm text-faint">{note}</span>}</label>
      <RSwitch.Root id={id} checked={checked} onCheckedChange={onChange} disabled={disabled} className="relative mt-0.5 h-5 w-9 shrink-0 rounded-full bg-line-strong transition-colors data-[state=checked]:bg-brand disabled:opacity-50">
        <RSwitch.Thumb className="block size-4 translate-x-0.5 rounded-full bg-white shadow transition-transform data-[state=checked]:translate-x-[18px]" />
      </RSwitch.Root>
    </div>
  );
}
