// Accounts, teams and payments again, on PostgreSQL.
if (process.env.TOLLGATE_TEST_POSTGRES) {
  process.env.TOLLGATE_TEST_ENGINE = 'postgres';
  for (const name of ['accounts', 'teams', 'payments', 'payments-wrong', 'payments-random']) await import(`./${name}.test.mjs`);
}
