import { cloneElement, isValidElement, type ReactElement, type ReactNode } from 'react';

// The child wears the class: for links that look like buttons.
export function Slot({ className, children }: { className: string; children: ReactNode }) {
  if (!isValidElement(children)) return null;
  const child = children as ReactElement<{ className?: string }>;
  return cloneElement(child, { className: `${className} ${child.props.className ?? ''}` });
}
