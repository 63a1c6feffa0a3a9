import { CreditCard, Pencil, Plus, Receipt, Ticket } from 'lucide-react';
import { useEffect, useState } from 'react';
import { query } from '@/lib/api';
import { useGet, useList, useParam, useTitle } from '@/lib/hooks';
import { percentOf, usd, usdSigned } from '@/lib/money';
import { useMay } from '@/lib/session';
import { date, shortTime } from '@/lib/time';
import type { Alerts, BillingOptions, List, Lot, Transaction, UsageNow } from '@/lib/types';
import { Badge, Bar, Button, Card, Empty, PageHeader, Skeleton, Stat } from '@/ui/basic';
import { Facts, Money, paged, Table, When } from '@/ui/data';
import { Select } from '@/ui/select';
import { AutoTopUpCard } from './auto-topup';
import { BalanceCard } from './balance-card';
import { Tabs } from '@/ui/tabs';
import { AlertsDialog, RedeemDialog } from './billing-dialogs';
import { PaymentsTab } from './payments';
import { PastDue, SubscriptionCard } from './subscription';
import { Canceled, Returned, TopUpDialog } from './top-up';

const kinds: Record<string, string> = { purchased: 'Purchased', intro: 'Welcome credit', promotional: 'Promotional', subscription: 'Subscription' };
const movements: Record<string, string> = { credit: 'Credit', usage: 'Usage', refund: 'Refund', expiry: 'Expiry', correction: 'Correction' };

// An operator finds a code by its number; to who redeemed it the number says nothing.
const said = (reason: string) => reason.replace(/^code code_\w+$/, 'Redeemed code');
const amounts = (of: string[]) => (of.length === 0 ? <span className="text-faint">No alert</span> : <span className="num">{of.map(usd).join(', ')}</span>);

export default function Billing() {
  useTitle('Billing');
  const may = useMay();
  const options = useGet<BillingOptions>('/api/billing/options').data;
  const [tab, setTab] = useParam('tab', 'balance');
  const [session, setSession] = useParam('session_id');
  const [canceled, setCanceled] = useParam('canceled');
  const [wanted, setWanted] = useParam('topup');
  const [doing, set] = useState<'redeem' | 'topup' | null>(null);
  const sells = options?.enabled && may('billing.checkout');
  useEffect(() => { if (wanted && sells) { set('topup'); setWanted(''); } }, [wanted, sells, setWanted]);
  return (
    <>
      <PageHeader title="Billing" note="Credit is prepaid. A call that the balance cannot cover is refused before it is sent.">
        {may('billing.write') && <Button icon={Ticket} onClick={() => set('redeem')}>Redeem a code</Button>}
        {sells && <Button look="primary" icon={Plus} onClick={() => set('topup')}>Top up</Button>}
      </PageHeader>
      {options?.enabled && <PastDue />}
      {session && <Returned key={session} id={session} onClose={() => setSession('')} />}
      {canceled && <Canceled key={canceled} id={canceled} onClose={() => setCanceled('')} />}
      <Tabs label="Billing" value={tab} onChange={setTab} tabs={[['balance', 'Balance'], ['payments', options?.enabled ? 'Payments and receipts' : 'Receipts']]}>
        {tab === 'payments' ? <PaymentsTab options={options} /> : <BalanceTab sells={!!options?.enabled} />}
      </Tabs>
      {doing === 'redeem' && <RedeemDialog onClose={() => set(null)} />}
      {doing === 'topup' && options && <TopUpDialog options={options} onClose={() => set(null)} />}
    </>
  );
}

function BalanceTab({ sells }: { sells: boolean }) {
  const usage = useGet<UsageNow>('/api/usage/current');
  const lots = useGet<List<Lot>>('/api/billing/lots?limit=100');
  const alerts = useGet<Alerts>('/api/billing/alerts');
  const write = useMay()('billing.write');
  const [doing, set] = useState<'alerts' | null>(null);
  const [kind, setKind] = useParam('kind');
  const moves = useList<Transaction>('/api/billing/transactions', { kind });
  return (
    <>
      <div className="grid grid-cols-2 gap-3 sm:gap-4 lg:grid-cols-[1.3fr_1fr_1fr] max-lg:[&>*:first-child]:col-span-2">
        <BalanceCard large />
        <Stat label="Spent this month" foot={usage.data && <>since {date(usage.data.period.start)}</>}>{usage.data ? <Money of={usage.data.cost} round /> : <Skeleton className="h-7 w-24" />}</Stat>
        <Stat label="Spent today" foot="UTC">{usage.data ? <Money of={usage.data.today.cost} round /> : <Skeleton className="h-7 w-24" />}</Stat>
      </div>
      {sells && <SubscriptionCard />}
      <Card className="mt-4" flush title="Credit" note="Used up from the top: by priority, then what expires first.">
        <Table label="Credit" rows={lots.data?.data} error={lots.error} retry={() => void lots.refetch()} id={(l) => l.id}
          empty={<Empty icon={CreditCard} title="No credit yet">What you are given or buy is listed here, with what is left of it.</Empty>} columns={[
            { head: 'Kind', cell: (l) => <span className="flex flex-wrap items-center gap-2"><span className="font-medium">{kinds[l.kind] ?? l.kind}</span>{l.reason && <span className="text-sm text-faint">{said(l.reason)}</span>}</span> },
            { head: 'Granted', phone: 'hide', cell: (l) => <span className="text-soft">{date(l.granted_at)}</span> },
            { head: 'Expires', cell: (l) => <span className="text-soft">{l.expires_at ? date(l.expires_at) : 'Never'}</span> },
            { head: 'Left', cell: (l) => <span className="block w-28 max-sm:w-40"><Bar label={`Left of ${kinds[l.kind] ?? l.kind}`} tone="good" percent={percentOf(l.remaining, l.amount)} /></span>, phone: 'hide' },
            { head: 'Remaining', right: true, cell: (l) => <span><Money of={l.remaining} /> <span className="text-faint">of <Money of={l.amount} /></span></span> },
          ]} />
      </Card>
      {sells && <AutoTopUpCard />}
      {alerts.data && (
        <Card className="mt-4" title="Alerts" note="Owners get a mail about the balance; webhooks are told of both." action={write && <Button size="sm" icon={Pencil} onClick={() => set('alerts')}>Change</Button>}>
          <Facts of={[['The balance falls below', amounts(alerts.data.balance_low)], ["A month's spending passes", amounts(alerts.data.usage)]]} />
        </Card>
      )}
      <Card className="mt-4" flush title="Statement" note="Usage is summed by day; each call is under Usage." action={
        <Select small label="Kind" value={kind} onChange={setKind} choices={[{ value: '', label: 'Everything' }, ...Object.entries(movements).map(([value, label]) => ({ value, label }))]} />}>
        <Table label="Statement" rows={moves.rows} {...paged(moves)} id={(t) => t.id} empty={<Empty icon={Receipt} title="Nothing here yet">{kind ? 'Nothing of this kind has happened.' : 'Every movement of your credit is listed here.'}</Empty>} columns={[
          { head: 'What', cell: (t) => <span><span className="font-medium">{said(t.description) || movements[t.kind] || t.kind}</span>{t.request_id && <a href={`/usage${query({ id: t.request_id })}`} className="ml-2 font-mono text-xs text-faint">{t.request_id}</a>}</span> },
          { head: 'When', cell: (t) => <span className="whitespace-nowrap text-soft" title={shortTime(t.at)}>{date(t.at)}</span> },
          { head: 'Kind', phone: 'hide', cell: (t) => <Badge tone={t.kind === 'credit' || t.kind === 'refund' ? 'good' : 'plain'}>{movements[t.kind] ?? t.kind}</Badge> },
          { head: 'Amount', right: true, cell: (t) => <span className={t.amount.startsWith('-') ? '' : 'font-medium text-good'}>{usdSigned(t.amount)}</span> },
        ]} />
      </Card>
      <p className="mt-4 text-sm text-faint">{moves.dataUpdatedAt > 0 && <>As of <When at={new Date(moves.dataUpdatedAt).toISOString()} />.</>}</p>
      {doing === 'alerts' && alerts.data && <AlertsDialog of={alerts.data} onClose={() => set(null)} />}
    </>
  );
}
