import { useSyncExternalStore } from 'react';

export type Theme = 'light' | 'dark' | 'system';
const system = matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set<() => void>();

export function chosenTheme(): Theme {
  try {
    const t = localStorage.getItem('theme');
    return t === 'light' || t === 'dark' ? t : 'system';
  } catch { return 'system'; }
}

function apply() {
  const t = chosenTheme();
  document.documentElement.classList.toggle('dark', t === 'dark' || (t === 'system' && system.matches));
  listeners.forEach((f) => f());
}
system.addEventListener('change', apply);

export function setTheme(t: Theme) {
  try { t === 'system' ? localStorage.removeItem('theme') : localStorage.setItem('theme', t); } catch { /* then for this page only */ }
  apply();
}

const subscribe = (f: () => void) => { listeners.add(f); return () => { listeners.delete(f); }; };
export const useTheme = () => useSyncExternalStore(subscribe, chosenTheme);
export const useIsDark = () => useSyncExternalStore(subscribe, () => document.documentElement.classList.contains('dark'));

// The brand's colour: as a button's face with black or white on it, and as text, lighter on dark.
export function paintBrand(hex: string | undefined) {
  const m = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(hex ?? '');
  if (!m) return;
  const rgb = [m[1], m[2], m[3]].map((h) => parseInt(h!, 16));
  const linear = rgb.map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  const light = 0.2126 * linear[0]! + 0.7152 * linear[1]! + 0.0722 * linear[2]!;
  const mix = (to: number, by: number) => rgb.map((c) => Math.round(c + (to - c) * by)).join(' ');
  const style = document.createElement('style');
  style.textContent = `:root{--brand:${rgb.join(' ')};--on-brand:${light > 0.3 ? '10 12 17' : '255 255 255'};--brand-ink:${mix(0, light > 0.2 ? 0.45 : 0)}}` +
    // Nearly black on black is no button.
    `.dark{--brand-ink:${mix(255, light < 0.03 ? 0.65 : light < 0.35 ? 0.45 : 0.1)};--brand:${mix(255, light < 0.03 ? 0.22 : 0)}}`;
  document.head.append(style);
}
