import {
  Activity, Banknote, Boxes, CalendarSync, ChartColumn, CreditCard, Gauge, History, House, KeyRound, ListChecks, MessageSquare, Percent, Rocket, ScrollText,
  Server, Settings, ShieldCheck, SlidersHorizontal, Tags, Ticket, Users, UsersRound, Webhook, type LucideIcon,
} from 'lucide-react';
import { useMay, type Permission } from '@/lib/session';

export interface Place { to: string; name: string; icon: LucideIcon; keys?: string; also?: string; needs?: Permission }

const everyPlace: Place[] = [
  { to: '/', name: 'Home', icon: House, keys: 'g h' },
  { to: '/playground', name: 'Playground', icon: MessageSquare, keys: 'g p' },
  { to: '/keys', name: 'API keys', icon: KeyRound, keys: 'g k' },
  { to: '/usage', name: 'Usage', icon: ChartColumn, keys: 'g u' },
  { to: '/billing', name: 'Billing', icon: CreditCard, keys: 'g b' },
  { to: '/webhooks', name: 'Webhooks', icon: Webhook, keys: 'g w', also: 'events endpoints deliveries', needs: 'webhooks.read' },
  { to: '/models', name: 'Models', icon: Boxes, keys: 'g m' },
  { to: '/team', name: 'Team', icon: UsersRound, keys: 'g t' },
  { to: '/quickstart', name: 'Quick start', icon: Rocket, keys: 'g q', also: 'docs curl python javascript' },
];

// What this role in this team can open.
export function usePlaces(): Place[] {
  const may = useMay();
  return everyPlace.filter((p) => !p.needs || may(p.needs));
}

export const settings: Place[] = [
  { to: '/settings', name: 'Settings', icon: Settings, keys: 'g s', also: 'profile theme account' },
  { to: '/security', name: 'Security', icon: ShieldCheck, also: 'password two-factor totp sessions' },
];

export const operator: Place[] = [
  { to: '/admin', name: 'Overview', icon: Gauge, keys: 'g o', also: 'operator health' },
  { to: '/admin/customers', name: 'Customers', icon: Users, keys: 'g c' },
  { to: '/admin/providers', name: 'Providers & routes', icon: Server },
  { to: '/admin/pricing', name: 'Prices & rules', icon: Tags, also: 'markup' },
  { to: '/admin/margin', name: 'Margin', icon: Percent },
  { to: '/admin/payments', name: 'Payments', icon: Banknote, also: 'stripe refunds disputes reconciliation' },
  { to: '/admin/plans', name: 'Plans', icon: CalendarSync, also: 'subscriptions subscribers tiers' },
  { to: '/admin/codes', name: 'Codes', icon: Ticket, also: 'redemption promotion coupon' },
  { to: '/admin/upstream-keys', name: 'Upstream keys', icon: Activity },
  { to: '/admin/jobs', name: 'Jobs', icon: ListChecks },
  { to: '/admin/audit', name: 'Audit log', icon: ScrollText },
  { to: '/admin/settings', name: 'House settings', icon: SlidersHorizontal },
];

export const teamAudit: Place = { to: '/team?tab=audit', name: 'Team audit log', icon: History };
