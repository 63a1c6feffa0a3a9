// Accounts, teams, payments, and what is forgotten, again, on PostgreSQL.
if (process.env.TOLLGATE_TEST_POSTGRES) {
  process.env.TOLLGATE_TEST_ENGINE = 'postgres';
  for (const name of ['accounts', 'teams', 'payments', 'payments-wrong', 'payments-random', 'subscriptions', 'retention']) await import(`./${name}.test.mjs`);
}
