const v = (name) => `rgb(var(--${name}) / <alpha-value>)`;

/** Colours are variables (src/index.css), so that dark is one class and the brand one value. */
export default {
  content: ['./index.html', './src/**/*.{ts,tsx}'],
  darkMode: 'class',
  theme: {
    extend: {
      colors: {
        page: v('page'), panel: v('panel'), sunk: v('sunk'), line: v('line'), 'line-strong': v('line-strong'),
        ink: v('ink'), soft: v('soft'), faint: v('faint'),
        brand: v('brand'), 'brand-ink': v('brand-ink'), 'on-brand': v('on-brand'),
        good: v('good'), warn: v('warn'), 'warn-face': v('warn-face'), bad: v('bad'),
      },
      fontFamily: {
        sans: ['"Inter Variable"', 'system-ui', 'sans-serif'],
        mono: ['"JetBrains Mono"', 'ui-monospace', 'SFMono-Regular', 'Menlo', 'monospace'],
      },
      fontSize: {
        '2xs': ['0.6875rem', '1rem'], xs: ['0.75rem', '1.125rem'], sm: ['0.8125rem', '1.25rem'],
        base: ['0.875rem', '1.375rem'], lg: ['1rem', '1.5rem'], xl: ['1.1875rem', '1.625rem'],
        '2xl': ['1.5rem', '1.875rem'], '3xl': ['1.9375rem', '2.25rem'], '4xl': ['2.5rem', '2.75rem'], '5xl': ['3.25rem', '3.5rem'],
      },
      borderRadius: { DEFAULT: '6px', md: '8px', lg: '10px', xl: '14px' },
      boxShadow: {
        card: '0 1px 2px rgb(var(--shadow) / 0.05)',
        pop: '0 4px 8px -2px rgb(var(--shadow) / 0.08), 0 16px 40px -8px rgb(var(--shadow) / 0.22)',
      },
      keyframes: {
        'fade-in': { from: { opacity: '0' }, to: { opacity: '1' } },
        rise: { from: { opacity: '0', transform: 'translateY(6px) scale(.985)' }, to: { opacity: '1', transform: 'none' } },
        pulse: { '50%': { opacity: '.45' } },
      },
      animation: { 'fade-in': 'fade-in .12s ease-out', rise: 'rise .16s cubic-bezier(.2,.8,.3,1)' },
    },
  },
};
