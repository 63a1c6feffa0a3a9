import { useLocation } from 'wouter';
import { api, once } from '@/lib/api';
import { useForm } from '@/lib/hooks';
import { useFreshStart } from '@/lib/session';
import type { Team } from '@/lib/types';
import { Button } from '@/ui/basic';
import { Field, Problem } from '@/ui/form';
import { say } from '@/ui/notices';
import { Dialog, DialogFoot } from '@/ui/overlay';

export default function NewTeam({ onClose }: { onClose: () => void }) {
  const fresh = useFreshStart();
  const [, go] = useLocation();
  const f = useForm({ name: '' }, async (v) => {
    const t = await api<Team>('/api/teams', { body: { name: v.name.trim() }, idempotent: once() });
    await api('/api/me/team', { body: { team_id: t.id } });
    await fresh();
    say(`You are in ${t.name} now.`);
    onClose();
    go('/team');
  });
  return (
    <Dialog open onClose={onClose} title="New team" note="With its own wallet, keys and members.">
      <form onSubmit={f.submit} className="space-y-4">
        <Problem>{f.general}</Problem>
        <Field label="Name" {...f.bind('name')} placeholder="Acme Research" autoFocus required maxLength={100} />
        <DialogFoot><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" busy={f.busy}>Create the team</Button></DialogFoot>
      </form>
    </Dialog>
  );
}
