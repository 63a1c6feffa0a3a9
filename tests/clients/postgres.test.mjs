// Accounts, teams and devices again, on PostgreSQL.
if (process.env.TOLLGATE_TEST_POSTGRES) {
  process.env.TOLLGATE_TEST_ENGINE = 'postgres';
  for (const name of ['accounts', 'teams']) await import(`./${name}.test.mjs`);
}
