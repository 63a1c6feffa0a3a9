// The first operator sets the house up by the link that the server prints, and runs it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { open, Visitor } from './lib/visitor.mjs';

let all;
before(async () => { all = await open(); });
after(async () => { await all?.close(); });

test('the set-up link makes the first operator, once', async () => {
  const op = await Visitor.at(all, 'operator@example.com');
  const token = op.house.keep(/\/setup\?token=([0-9A-Za-z]+)/.exec(all.house.child.out())[1]);
  await op.go(`/setup?token=${token}`);
  await op.heading('Set Tollgate up');
  await op.check('set-up');
  await op.fill('E-mail', op.email);
  await op.fill('Password', op.password);
  await op.click('Create the operator');
  await op.heading('Overview');
  await op.go('/');
  await op.page.getByRole('navigation', { name: 'Operator' }).waitFor();
  await op.go(`/setup?token=${token}`);
  await op.heading('This house is set up');

  // A customer's pages end where the operator's begin.
  const other = await Visitor.at(all);
  await other.comeIn();
  assert.equal(await other.page.getByRole('navigation', { name: 'Operator' }).count(), 0);
  await other.go('/admin/customers');
  await other.heading('There is nothing here');
  await other.leave();
  await op.leave();
});
