// docs/reference/control-api.md, as types.
export type Role = 'owner' | 'admin' | 'developer' | 'viewer';
export interface List<T> { data: T[]; has_more: boolean; next_cursor: string | null }

export interface Options {
  brand: { name: string; color: string; logo_url: string | null };
  signup: 'open' | 'invitation' | 'closed'; password: boolean; providers: { id: string; name: string }[];
  setup_needed: boolean; currency: string; intro_credit: string; public_url: string;
}
export interface Team { id: string; name: string; role: Role; personal: boolean }
export interface Me {
  user: {
    id: string; email: string; name: string; company: string; email_verified: boolean; is_operator: boolean;
    totp_enabled: boolean; has_password: boolean; created_at: string;
  };
  team: Team; teams: Team[]; csrf_token: string; permissions: string[];
}
export interface Identity { id: string; provider: string | null; name: string; issuer: string; email: string; linked_at: string; removable: boolean }
export interface Session { id: string; created_at: string; last_seen_at: string; expires_at: string; address: string; user_agent: string; current: boolean }

export interface Cap { limit: string; spent: string }
export const LIMITS = ['rpm', 'burst', 'per_hour', 'per_day', 'tpm', 'concurrency', 'max_tokens'] as const;
export type Limits = Record<(typeof LIMITS)[number], number | null>;
export interface Key {
  id: string; name: string; key_display: string; scope: string; models: string[]; ips: string[];
  created_at: string; created_by: { id: string; email: string; name: string } | null; expires_at: string | null;
  last_used_at: string | null; status: 'active' | 'expired' | 'revoked'; cap: Cap | null; limits: Partial<Limits> | null; api_key?: string | null;
}
export interface Member { user: { id: string; email: string; name: string }; role: Role; joined_at: string; cap: Cap | null }
export interface Invitation { id: string; email: string; role: Role; invited_by: unknown; created_at: string; expires_at: string; status: string }
export interface AuditLine { id: string; at: string; actor: { id: string; email: string } | null; address: string; action: string; object: string; change: unknown }

export interface Balance { balance: string; available: string; held: string; currency: string; state: 'good' | 'low' | 'very_low' }
export interface Lot { id: string; kind: string; amount: string; remaining: string; priority: number; granted_at: string; expires_at: string | null; source: string; reason: string }
export interface Transaction { id: string; at: string; kind: string; amount: string; description: string; request_id: string | null }
export interface Totals { cost: string; requests: number; failed: number; input_tokens: number; output_tokens: number }
export interface UsageNow extends Totals { period: { start: string; end: string }; today: Totals }
export interface Point extends Totals { at: string; group: string }
export interface Series { bucket: 'hour' | 'day'; start: string; end: string; groups: { id: string; name: string }[]; points: Point[] }
export interface Call {
  request_id: string; at: string; model: string; key: { id: string; name: string } | null; member: { id: string; email: string } | null;
  input_tokens: number; output_tokens: number; cost: string; status: 'completed' | 'failed'; http_status: number; stream: boolean; duration_ms: number; unresolved: boolean;
}
export interface Model {
  id: string; name: string; owned_by: string; context_length: number | null; max_output?: number | null; recommended: boolean;
  pricing: { prompt?: string; completion?: string; cache_read?: string; cache_write?: string; request?: string };
}

export interface Webhook {
  id: string; url: string; description: string; events: string[]; status: 'enabled' | 'disabled'; disabled_reason: '' | 'manual' | 'gone' | 'failing';
  created_at: string; updated_at: string; failing_since: string | null; old_secret_until: string | null; secret?: string | null;
}
export interface Delivery {
  id: string; message_id: string; type: string; status: 'pending' | 'delivered' | 'failed' | 'cancelled'; attempts: number; response_status: number | null;
  created_at: string; next_attempt_at: string | null; ended_at: string | null; replay: boolean;
}
export interface Try { at: string; status: number | null; duration_ms: number; error: string; response: string }
export interface DeliveryDetail extends Delivery { body: unknown; tries: Try[] }
export interface Alerts { balance_low: string[]; usage: string[] }
export interface Redeemed { amount: string; balance: string; expires_at: string | null }
export interface Invoice { id: string; number: string; kind: 'receipt' | 'credit_note' | 'statement'; payment_id: string | null; period: { start: string; end: string } | null; issued_at: string; total: string; tax: string; currency: string }
export interface BuyerDetails { name: string; address: string; tax_id: string; email: string }
export interface BillingOptions { enabled: boolean; currency: string; packs: string[]; amount_min: string; amount_max: string; livemode: boolean }
export interface Payment {
  id: string; kind: 'topup' | 'auto_topup' | 'subscription'; status: 'pending' | 'completed' | 'failed' | 'expired' | 'refunded' | 'disputed'; awaiting: boolean;
  /** amount: of credit; paid: of money. */
  amount: string; paid: string; description: string; currency: string; refunded: string; owed: string; frozen: string; failure: string; created_at: string; completed_at: string | null; expires_at: string | null;
  checkout_url: string | null; user: { id: string; email: string } | null; receipt_id: string | null; credit_note_ids: string[];
}
export interface Plan {
  id: string; name: string; description: string; price: string; currency: string; interval: 'month' | 'year'; monthly_credit: string;
  roll_over: 'none' | 'all' | 'capped'; roll_over_max: string | null; limits: Partial<Limits> | null; trial_days: number; trial_credit: string;
}
export type SubscriptionStatus = 'pending' | 'expired' | 'incomplete' | 'incomplete_expired' | 'trialing' | 'active' | 'past_due' | 'unpaid' | 'paused' | 'canceled';
export interface Subscription {
  id: string; status: SubscriptionStatus; access: boolean; plan: Plan | null; next_plan: Plan | null; period: { start: string; end: string } | null; trial_end: string | null;
  cancel_at_period_end: boolean; ended_at: string | null; grace_until: string | null; credit: { included: string; left: string }; failure: string; pay_url: string | null;
  checkout_url: string | null; created_at: string; updated_at: string; user: { id: string; email: string } | null;
}
export interface SubscriptionNow { subscription: Subscription | null; trial: boolean }
export interface PlanChange { when: 'now' | 'period_end'; at: string; amount_due: string; currency: string; credit_now: string; plan: Plan }
export interface AdminPlan extends Plan { active: boolean; ready: boolean; version: number; subscribers: number; created_at: string; updated_at: string }
export interface AdminSubscription extends Subscription { team: { id: string; name: string }; stripe_id: string }
export interface AdminSubscriptionDetail extends AdminSubscription { payments: Payment[] }
export interface AutoTopUp { enabled: boolean; status: 'on' | 'off' | 'suspended'; reason: string; threshold: string; amount: string; monthly_cap: string; spent_this_month: string; in_flight: boolean }
export interface AdminPayment extends Payment { team: { id: string; name: string }; payment_intent: string; session_id: string; disputes: number }
export interface StripeEvent { id: string; type: string; created_at: string; received_at: string; deliveries: number; state: 'stored' | 'done' | 'ignored' | 'refused'; note: string }
export interface PaymentDetail extends Omit<AdminPayment, 'disputes'> {
  refunds: { id: string; amount: string; failed: boolean }[]; events: StripeEvent[];
  disputes: { id: string; amount: string; reason: string; opened: boolean; withdrawn: boolean; reinstated: boolean; lost: boolean; released: boolean }[];
}
export interface Reconciliation {
  enabled: boolean;
  reports: { id: string; at: string; from: string; checked: number; mended: number; mismatches: number; findings: { kind: string; object: string; ours: string; theirs: string }[] }[];
}
export interface Code {
  id: string; name: string; hint: string; amount: string; uses: number; uses_max: number; per_user: number; expires_at: string | null;
  credit_days: number | null; status: 'active' | 'expired' | 'used_up' | 'ended'; created_at: string; code?: string | null;
}
export interface CodeDetail extends Code { redemptions: { user: { id: string; email: string } | null; team_id: string; at: string; amount: string }[] }

export interface Customer {
  user: { id: string; email: string; name: string; created_at: string; suspended: boolean };
  team: { id: string; name: string }; balance: string; spent_30d: string; requests_30d: number; last_call_at: string | null;
}
export interface UpstreamKey {
  user: { id: string; email: string }; exists: boolean; rotated_at: string | null; limit: string | null; limit_remaining: string | null;
  usage_monthly: string | null; byok_usage_monthly: string | null; checked_at: string | null;
}
export interface CustomerDetail extends Customer {
  keys: Pick<Key, 'id' | 'name' | 'key_display' | 'status' | 'created_at' | 'last_used_at' | 'expires_at'>[]; lots: Lot[]; limits: Partial<Limits> | null;
  members?: Member[]; upstream_key?: Omit<UpstreamKey, 'user'> | null;
}
export interface HouseSettings {
  signup: string; intro_credit: string; public_url: string; brand: { name: string; color: string; logo_url: string | null }; smtp: { configured: boolean };
  limits: Partial<Limits> | null; read_only: string[];
}
export interface Provider { name: string; kind: string; base_url: string; keys: number; health: { ok: boolean; calls: number; failed: number; p50_ms: number } | null }
export interface Route { id: string | number; model: string; provider: string; upstream_model: string | null; priority: number; weight: number }
export interface Price { id?: string | number; model: string; input: string; output: string; cache_read?: string | null; cache_write?: string | null; request?: string | null; version?: number; source?: string; since?: string }
export interface Rule { id: string | number; model: string; markup_percent: string; min_cost?: string | null; priority: number; active?: boolean }
export interface DryRun { calls: number; charged: string; would_charge: string; by_model: { model: string; calls: number; charged: string; would_charge: string }[] }
export interface MarginRow { id: string; name: string; requests: number; charge: string; cost: string; margin: string; margin_percent: string | number | null }
export interface Job { id: string; kind: string; state: string; attempt: number; attempts_max: number; wake_at: string | null; created_at: string; error: string | null; step: string | null }
export interface JobStep { name: string; state: string; attempt: number; started_at: string | null; ended_at: string | null; error: string | null }
export interface JobDetail extends Job { steps: JobStep[] }
export interface Health { version: string; uptime_s: number; store: Record<string, unknown>; commits: Record<string, unknown>; unresolved: number; alerts: { code: string; message: string }[]; open_calls?: number }
