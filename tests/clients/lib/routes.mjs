// The route table and the permission table as the server is built from them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './house.mjs';

const read = (name) => readFileSync(join(root, 'src/tbl', name), 'utf8').replace(/\\\n/g, ' ').replace(/\s+/g, ' ');

export const routes = [...(read('routes.h') + read('routes_billing.h') + read('routes_operator.h')).matchAll(
  /ROUTE\((\w+), "([A-Z]+)", "([^"]+)", (\w+), (\w+), (\w+), (\w+), "([^"]*)"\)/g)].map(
  ([, name, method, path, lane, handler, body, need]) => ({ name, method, path, lane, handler, body: Number(body), need }));

export const permissions = Object.fromEntries([...read('permissions.h').matchAll(
  /MAY\((\w+), "([^"]+)", ([01]), ([01]), ([01]), ([01]), (\w+), (\w+)\)/g)].map(
  ([, name, text, owner, admin, developer, viewer, scope, team]) =>
    [name, { text, owner: +owner, admin: +admin, developer: +developer, viewer: +viewer, scope, team }]));
