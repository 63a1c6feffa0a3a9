-- The plan of the month that credit was given for last: its rule says what stays of the months before.
ALTER TABLE subscription ADD COLUMN credit_plan text NOT NULL DEFAULT '';
ALTER TABLE subscription ADD COLUMN credit_n bigint NOT NULL DEFAULT 0;
