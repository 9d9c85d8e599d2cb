-- When a run came in, by the clock of this server: the machines that bring runs may each have another, and so may those that ask how long
-- the oldest has been waiting.
ALTER TABLE runs ADD COLUMN arrived_at text COLLATE "C";
UPDATE runs SET arrived_at = created_at;
ALTER TABLE runs ALTER COLUMN arrived_at SET NOT NULL;
-- Set here, so that an older program that still runs can go on storing runs.
ALTER TABLE runs ALTER COLUMN arrived_at
    SET DEFAULT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"000Z"');

DROP INDEX runs_waiting;
CREATE INDEX runs_waiting ON runs (repository, created_at, ordinal) INCLUDE (arrived_at) WHERE status = 'queued';
