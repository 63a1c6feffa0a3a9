import { useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { api, ApiError, once } from '@/lib/api';
import { useForm } from '@/lib/hooks';
import { typedAmount, usd } from '@/lib/money';
import { date } from '@/lib/time';
import type { Alerts, Redeemed } from '@/lib/types';
import { Button } from '@/ui/basic';
import { Field, Problem } from '@/ui/form';
import { say } from '@/ui/notices';
import { Dialog, DialogFoot } from '@/ui/overlay';

export function useMoneyMoved() {
  const client = useQueryClient();
  return () => client.invalidateQueries({ predicate: (q) => String(q.queryKey[0]).startsWith('/api/billing/') });
}

export function RedeemDialog({ onClose }: { onClose: () => void }) {
  const moved = useMoneyMoved();
  const [token] = useState(once);
  const f = useForm({ code: '' }, async (v) => {
    const r = await api<Redeemed>('/api/billing/redeem', { body: { code: v.code.trim() }, idempotent: token });
    await moved();
    say(`${usd(r.amount)} added${r.expires_at ? `, good until ${date(r.expires_at)}` : ''}.`);
    onClose();
  });
  return (
    <Dialog open onClose={onClose} title="Redeem a code" note="Its credit goes to this team's balance.">
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <Field label="Code" {...f.bind('code')} placeholder="ABCD-EFGH-JKLM-NPQR" className="font-mono" autoComplete="off" spellCheck={false} autoCapitalize="characters" autoFocus required maxLength={80} />
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={f.busy}>Redeem</Button></DialogFoot>
      </form>
    </Dialog>
  );
}

// "$5, 1" is two amounts.
function readAmounts(typed: string, field: string): string[] {
  return typed.split(/[\s,;]+/).filter(Boolean).map((t) => {
    const amount = typedAmount(t);
    if (!amount || amount.startsWith('-')) throw new ApiError(422, 'validation_failed', 'It takes amounts in dollars, with commas between them, such as 5, 1.', field);
    return amount;
  });
}

export function AlertsDialog({ of, onClose }: { of: Alerts; onClose: () => void }) {
  const client = useQueryClient();
  const f = useForm({ balance_low: of.balance_low.join(', '), usage: of.usage.join(', ') }, async (v) => {
    const body = { balance_low: readAmounts(v.balance_low, 'balance_low'), usage: readAmounts(v.usage, 'usage') };
    client.setQueryData(['/api/billing/alerts'], await api<Alerts>('/api/billing/alerts', { method: 'PATCH', body }));
    say('The alerts are changed.');
    onClose();
  });
  return (
    <Dialog open onClose={onClose} title="Alerts" note="Up to five amounts each, in US dollars. Empty: none.">
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <Field label="When the balance falls below" {...f.bind('balance_low')} placeholder="5, 1" note="Owners get a mail, webhooks balance.low; again only after more was there." autoFocus />
        <Field label="When a month's spending passes" {...f.bind('usage')} placeholder="50, 100" note="Webhooks get usage.threshold, once a month." />
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={f.busy}>Save</Button></DialogFoot>
      </form>
    </Dialog>
  );
}
