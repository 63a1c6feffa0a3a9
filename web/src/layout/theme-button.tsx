import { Moon, Sun, SunMoon } from 'lucide-react';
import { setTheme, useTheme, type Theme } from '@/lib/theme';
import { Button } from '@/ui/basic';

const themes: Record<Theme, [string, typeof Sun, Theme]> = { system: ['Theme: system', SunMoon, 'light'], light: ['Theme: light', Sun, 'dark'], dark: ['Theme: dark', Moon, 'system'] };

export function ThemeButton() {
  const theme = useTheme();
  const [label, Icon, next] = themes[theme];
  return <Button look="quiet" size="icon" aria-label={`${label}. Change it`} title={label} onClick={() => setTheme(next)}><Icon className="size-4" aria-hidden /></Button>;
}
