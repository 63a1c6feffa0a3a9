-- What a call is said to have cost is what its wallet paid: what the wallet could not cover is the
-- house's own, and leaves the usage lines and their sums. (Calls were summed by the milliseconds that
-- their ids begin with.)

CREATE TABLE written_off_line (
    team bytea NOT NULL,
    id bytea NOT NULL,
    key_id bytea NOT NULL,
    model text NOT NULL,
    hour bigint NOT NULL,
    day bigint NOT NULL,
    amount bigint NOT NULL,
    PRIMARY KEY (team, id)
) WITHOUT ROWID;

-- sqlite:
INSERT INTO written_off_line
SELECT u.team, u.id, u.key_id, u.model, (
    instr('123456789ABCDEF', substr(hex(u.id), 1, 1)) * 17592186044416 +
    instr('123456789ABCDEF', substr(hex(u.id), 2, 1)) * 1099511627776 +
    instr('123456789ABCDEF', substr(hex(u.id), 3, 1)) * 68719476736 +
    instr('123456789ABCDEF', substr(hex(u.id), 4, 1)) * 4294967296 +
    instr('123456789ABCDEF', substr(hex(u.id), 5, 1)) * 268435456 +
    instr('123456789ABCDEF', substr(hex(u.id), 6, 1)) * 16777216 +
    instr('123456789ABCDEF', substr(hex(u.id), 7, 1)) * 1048576 +
    instr('123456789ABCDEF', substr(hex(u.id), 8, 1)) * 65536 +
    instr('123456789ABCDEF', substr(hex(u.id), 9, 1)) * 4096 +
    instr('123456789ABCDEF', substr(hex(u.id), 10, 1)) * 256 +
    instr('123456789ABCDEF', substr(hex(u.id), 11, 1)) * 16 +
    instr('123456789ABCDEF', substr(hex(u.id), 12, 1)) * 1
    ) / 3600000, 0, t.amount
FROM ledger_transfer t JOIN usage u ON u.id = t.group_id WHERE t.reason = 'write_off';

-- postgres:
INSERT INTO written_off_line
SELECT u.team, u.id, u.key_id, u.model,
    ('x' || encode(substr(u.id, 1, 6), 'hex'))::bit(48)::bigint / 3600000, 0, t.amount
FROM ledger_transfer t JOIN usage u ON u.id = t.group_id WHERE t.reason = 'write_off';

-- both:
UPDATE written_off_line SET day = CAST(hour / 24 AS bigint);
CREATE INDEX written_off_line_day ON written_off_line (day);

UPDATE usage SET charge = charge - (SELECT CAST(sum(w.amount) AS bigint) FROM written_off_line w
    WHERE w.team = usage.team AND w.id = usage.id)
WHERE EXISTS (SELECT 1 FROM written_off_line w WHERE w.team = usage.team AND w.id = usage.id);

UPDATE usage_hour SET charge = charge - (SELECT CAST(sum(w.amount) AS bigint) FROM written_off_line w
    WHERE w.team = usage_hour.team AND w.hour = usage_hour.hour AND w.key_id = usage_hour.key_id AND w.model = usage_hour.model)
WHERE EXISTS (SELECT 1 FROM written_off_line w WHERE w.team = usage_hour.team AND w.hour = usage_hour.hour AND w.key_id = usage_hour.key_id AND w.model = usage_hour.model);

UPDATE usage_day SET charge = charge - (SELECT CAST(sum(w.amount) AS bigint) FROM written_off_line w
    WHERE w.team = usage_day.team AND w.day = usage_day.day AND w.key_id = usage_day.key_id AND w.model = usage_day.model)
WHERE EXISTS (SELECT 1 FROM written_off_line w WHERE w.team = usage_day.team AND w.day = usage_day.day AND w.key_id = usage_day.key_id AND w.model = usage_day.model);

UPDATE sales_day SET charge = charge - (SELECT CAST(sum(w.amount) AS bigint) FROM written_off_line w
    WHERE w.day = sales_day.day AND w.model = sales_day.model)
WHERE EXISTS (SELECT 1 FROM written_off_line w WHERE w.day = sales_day.day AND w.model = sales_day.model);

UPDATE team_day SET charge = charge - (SELECT CAST(sum(w.amount) AS bigint) FROM written_off_line w
    WHERE w.day = team_day.day AND w.team = team_day.team)
WHERE EXISTS (SELECT 1 FROM written_off_line w WHERE w.day = team_day.day AND w.team = team_day.team);

DROP TABLE written_off_line;
