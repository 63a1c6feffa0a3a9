import { CreditCard, Download, FileText, Pencil } from 'lucide-react';
import { useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { api } from '@/lib/api';
import { useForm, useGet, useList } from '@/lib/hooks';
import { compare } from '@/lib/money';
import { useMay } from '@/lib/session';
import { date } from '@/lib/time';
import type { BillingOptions, BuyerDetails, Invoice, Payment } from '@/lib/types';
import { Badge, Button, Card, Empty, Skeleton, type Tone } from '@/ui/basic';
import { Facts, Failed, Money, paged, Table, When } from '@/ui/data';
import { Field, Problem, TextField } from '@/ui/form';
import { say } from '@/ui/notices';
import { Dialog, DialogFoot } from '@/ui/overlay';

const states: Record<Payment['status'], [string, Tone]> = { pending: ['Not paid yet', 'plain'], completed: ['Paid', 'good'], failed: ['Failed', 'bad'], expired: ['Not paid', 'plain'], refunded: ['Refunded', 'plain'], disputed: ['Disputed', 'warn'] };
export const paymentStates = Object.entries(states).map(([value, [label]]) => ({ value, label }));
export const paymentKinds: Record<Payment['kind'], string> = { topup: 'Top-up', auto_topup: 'Automatic top-up', subscription: 'Subscription' };
export function PaymentStatus({ of: p }: { of: Pick<Payment, 'status' | 'awaiting' | 'failure'> }) {
  const [name, tone] = p.awaiting ? (['On its way', 'brand'] as const) : states[p.status];
  return <Badge tone={tone} dot title={p.failure || undefined}>{name}</Badge>;
}

export const pdf = (id: string) => `/api/billing/invoices/${id}/pdf`;
const month = new Intl.DateTimeFormat(undefined, { month: 'long', year: 'numeric', timeZone: 'UTC' });

// What was paid, and the credit for it where that is another sum.
export function Price({ of: p }: { of: Pick<Payment, 'amount' | 'paid' | 'completed_at'> }) {
  const other = p.completed_at && compare(p.paid, p.amount) !== 0;
  return <>{other ? <><Money of={p.paid} /><span className="block text-sm text-faint"><Money of={p.amount} /> of credit</span></> : <Money of={p.amount} />}</>;
}

// The receipt, and what was credited of it.
export function Papers({ of: p, at = pdf }: { of: Pick<Payment, 'receipt_id' | 'credit_note_ids'>; at?: (id: string) => string }) {
  const link = (id: string, name: string) => <a key={id} href={at(id)} target="_blank" rel="noreferrer" className="link whitespace-nowrap">{name}</a>;
  return <span className="inline-flex flex-wrap justify-end gap-x-3">{p.receipt_id && link(p.receipt_id, 'Receipt')}{p.credit_note_ids.map((id, i) => link(id, p.credit_note_ids.length > 1 ? `Credit note ${i + 1}` : 'Credit note'))}</span>;
}

function Payments() {
  const list = useList<Payment>('/api/billing/payments', {}, 50, (p) => p.awaiting);
  const may = useMay()('billing.write');
  return (
    <Card flush title="Payments">
      <Table label="Payments" rows={list.rows} {...paged(list)} id={(p) => p.id} empty={<Empty icon={CreditCard} title="No payments yet">What is paid for credit is listed here, with its receipt.</Empty>} columns={[
        { head: 'What', cell: (p) => <span><span className="font-medium">{p.description || paymentKinds[p.kind]}</span>{p.user && <span className="ml-2 text-sm text-faint">{p.user.email}</span>}</span> },
        { head: 'When', cell: (p) => <span className="text-soft"><When at={p.created_at} /></span> },
        { head: 'Status', cell: (p) => <PaymentStatus of={p} /> },
        { head: 'Amount', right: true, cell: (p) => <span><Price of={p} />{compare(p.refunded, '0') > 0 && <span className="block text-sm text-faint"><Money of={p.refunded} /> taken back</span>}{compare(p.frozen, '0') > 0 && <span className="block text-sm text-warn"><Money of={p.frozen} /> frozen until the bank has decided</span>}</span> },
        { head: '', right: true, cell: (p) => {
          if (p.receipt_id) return <Papers of={p} />;
          return p.status === 'pending' && !p.awaiting && p.checkout_url && may ? <a href={p.checkout_url} className="link">Pay</a> : null;
        } },
      ]} />
    </Card>
  );
}

export function PaymentsTab({ options }: { options: BillingOptions | undefined }) {
  const invoices = useList<Invoice>('/api/billing/invoices');
  const details = useGet<BuyerDetails>('/api/billing/details');
  const may = useMay()('billing.write');
  const [editing, edit] = useState(false);
  const d = details.data;
  return (
    <div className="space-y-4">
      {options?.enabled && <Payments />}
      <Card flush title="Receipts and statements" note="A receipt for each payment, a credit note for what was refunded, a statement for each month that is over." action={<Button size="sm" asChild><a href="/api/billing/transactions.csv" download><Download className="size-3.5" aria-hidden />Transactions, CSV</a></Button>}>
        <Table label="Receipts and statements" rows={invoices.rows} {...paged(invoices)} id={(i) => i.id} empty={<Empty icon={FileText} title="Nothing yet">Each has a number without gaps, and says what it said when it was made.</Empty>} columns={[
          { head: 'Number', cell: (i) => <a href={pdf(i.id)} target="_blank" rel="noreferrer" className="num font-medium hover:underline">{i.number}</a> },
          { head: 'What', cell: (i) => <span className="text-soft">{i.kind === 'receipt' ? 'Receipt' : i.kind === 'credit_note' ? 'Credit note' : i.period ? `Statement of ${month.format(new Date(i.period.start))}` : 'Statement'}</span> },
          { head: 'Issued', phone: 'hide', cell: (i) => <span className="text-soft">{date(i.issued_at)}</span> },
          { head: 'Total', right: true, cell: (i) => <Money of={i.total} /> },
          { head: '', right: true, cell: (i) => <a href={pdf(i.id)} target="_blank" rel="noreferrer" aria-label={`PDF of ${i.number}`} className="link">PDF</a> },
        ]} />
      </Card>
      <Card title="Billing details" note="What receipts and statements from now on say about you." action={may && d && <Button size="sm" icon={Pencil} onClick={() => edit(true)}>Edit</Button>}>
        {d ? <Facts of={[['Name', d.name || '—'], ['Address', d.address ? <span className="whitespace-pre-line">{d.address}</span> : '—'], ['Tax number', d.tax_id || '—'], ['E-mail', d.email || '—']]} /> : details.error ? <Failed error={details.error} retry={() => void details.refetch()} /> : <Skeleton className="h-24" />}
      </Card>
      {editing && d && <DetailsDialog of={d} onClose={() => edit(false)} />}
    </div>
  );
}

function DetailsDialog({ of, onClose }: { of: BuyerDetails; onClose: () => void }) {
  const client = useQueryClient();
  const f = useForm({ name: of.name, address: of.address, tax_id: of.tax_id, email: of.email }, async (v) => {
    const body = Object.fromEntries(Object.entries(v).map(([k, x]) => [k, x.trim()]));
    client.setQueryData(['/api/billing/details'], await api<BuyerDetails>('/api/billing/details', { method: 'PATCH', body }));
    say('The details are changed.');
    onClose();
  });
  return (
    <Dialog open onClose={onClose} title="Billing details">
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <Field label="Name" optional {...f.bind('name')} autoComplete="organization" autoFocus />
        <TextField label="Address" optional rows={4} {...f.bind('address')} autoComplete="street-address" note="Up to six lines." />
        <Field label="Tax number" optional {...f.bind('tax_id')} placeholder="DE123456789" />
        <Field label="E-mail" optional {...f.bind('email')} type="email" autoComplete="email" />
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={f.busy}>Save</Button></DialogFoot>
      </form>
    </Dialog>
  );
}
