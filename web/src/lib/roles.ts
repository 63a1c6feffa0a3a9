import type { Role } from './types';

export const roles: Role[] = ['owner', 'admin', 'developer', 'viewer'];
export const roleNotes: Record<Role, string> = {
  owner: 'Everything, also deleting the team and handing it over.',
  admin: 'Members, invitations, all keys, billing.',
  developer: 'Own keys, the playground, the usage of the team.',
  viewer: 'Looks, and changes nothing.',
};
