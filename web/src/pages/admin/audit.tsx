import { useTitle } from '@/lib/hooks';
import { Card, PageHeader } from '@/ui/basic';
import { AuditTable } from '../audit-table';

export default function Audit() {
  useTitle('Audit log');
  return <><PageHeader title="Audit log" note="Who changed what, from where, in every team and in the house." /><Card flush><AuditTable path="/api/admin/audit" /></Card></>;
}
