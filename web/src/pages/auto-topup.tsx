import { Pencil } from 'lucide-react';
import { useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { api, ApiError } from '@/lib/api';
import { useForm, useGet } from '@/lib/hooks';
import { typedAmount } from '@/lib/money';
import { useMay } from '@/lib/session';
import type { AutoTopUp } from '@/lib/types';
import { Badge, Button, Card, type Tone } from '@/ui/basic';
import { Money } from '@/ui/data';
import { Field, Problem } from '@/ui/form';
import { say } from '@/ui/notices';
import { Dialog, DialogFoot } from '@/ui/overlay';
import { Switch } from '@/ui/select';

const path = '/api/billing/auto-topup';
const states: Record<AutoTopUp['status'], [string, Tone]> = { on: ['On', 'good'], off: ['Off', 'plain'], suspended: ['Suspended', 'bad'] };
const reasons: Record<string, string> = { card_declined: 'The card was declined: top up once with another.', authentication_required: 'The bank wants you to confirm a payment yourself: top up once.', no_card: 'There is no card: top up once.' };

export function AutoTopUpCard() {
  const q = useGet<AutoTopUp>(path, (a) => (a?.in_flight ? 2_000 : false));
  const write = useMay()('billing.write');
  const [editing, edit] = useState(false);
  const a = q.data;
  if (!a) return null;
  return (
    <Card className="mt-4" title={<span className="flex items-center gap-2">Automatic top-up<Badge tone={states[a.status][1]} dot>{states[a.status][0]}</Badge></span>}
      note="With the card of an earlier payment, one payment at a time." action={write && <Button size="sm" icon={Pencil} onClick={() => edit(true)}>{a.status === 'off' ? 'Set up' : 'Edit'}</Button>}>
      {a.status === 'off' ? <p className="text-soft">Credit is bought by hand alone.</p> : (
        <div className="space-y-3">
          {a.reason && <Problem>{reasons[a.reason] ?? `The last payment failed: ${a.reason.replace(/_/g, ' ')}.`}{a.status === 'suspended' && ' Then turn it on again.'}</Problem>}
          <p className="text-soft">Below <Money of={a.threshold} /> it buys <Money of={a.amount} />, at most <Money of={a.monthly_cap} /> a month; <Money of={a.spent_this_month} /> in this one.{a.in_flight && ' A payment is on its way.'}</p>
        </div>
      )}
      {editing && <AutoTopUpDialog of={a} onClose={() => edit(false)} />}
    </Card>
  );
}

function AutoTopUpDialog({ of: a, onClose }: { of: AutoTopUp; onClose: () => void }) {
  const client = useQueryClient();
  const [enabled, enable] = useState(true);
  const f = useForm({ threshold: a.threshold, amount: a.amount, monthly_cap: a.monthly_cap }, async (v) => {
    const read = (field: keyof typeof v) => {
      const amount = typedAmount(v[field]);
      if (!amount || amount.startsWith('-')) throw new ApiError(422, 'validation_failed', 'It must be an amount in dollars, such as 25.', field);
      return amount;
    };
    const body = { enabled, threshold: read('threshold'), amount: read('amount'), monthly_cap: read('monthly_cap') };
    client.setQueryData([path], await api<AutoTopUp>(path, { method: 'PATCH', body }));
    say(enabled ? 'Automatic top-up is on.' : 'Automatic top-up is off.');
    onClose();
  });
  return (
    <Dialog open onClose={onClose} title="Automatic top-up" note="In US dollars.">
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <Switch label="Buy credit by itself" note="Owners get a mail when a payment fails; after three it is suspended." checked={enabled} onChange={enable} />
        <Field label="When less is available than" {...f.bind('threshold')} inputMode="decimal" required />
        <Field label="Buy" {...f.bind('amount')} inputMode="decimal" required />
        <Field label="At most in a month" {...f.bind('monthly_cap')} inputMode="decimal" required />
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={f.busy}>Save</Button></DialogFoot>
      </form>
    </Dialog>
  );
}
