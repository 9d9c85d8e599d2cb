-- A backlog that a team shares: reports from outside, people, fairness between repositories, and facts about no run.

-- Facts about the backlog as a whole carry the id of no run, so events no longer refer to `runs`.
CREATE TABLE events_of_all (
    seq         INTEGER PRIMARY KEY,
    run_id      TEXT NOT NULL,
    run_version INTEGER NOT NULL,
    type        TEXT NOT NULL,
    actor       TEXT NOT NULL,
    message     TEXT NOT NULL,
    payload     TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    prev        TEXT NOT NULL,
    digest      TEXT NOT NULL
) STRICT;
INSERT INTO events_of_all SELECT seq, run_id, run_version, type, actor, message, payload, created_at, prev, digest FROM events;
DROP TABLE events;
ALTER TABLE events_of_all RENAME TO events;
CREATE INDEX events_of_run ON events (run_id, seq);

-- What is waiting, by repository: the queue is asked for it with every claim.
CREATE INDEX runs_waiting ON runs (status, repository, created_at, not_before);

-- One run for each digest of repository, commit and error hash.
CREATE TABLE arrivals (
    key         TEXT NOT NULL PRIMARY KEY,
    run_id      TEXT NOT NULL REFERENCES runs (id)
) STRICT, WITHOUT ROWID;

-- Deliveries that came before, by the sender's name for them.
CREATE TABLE deliveries (
    id          TEXT NOT NULL PRIMARY KEY,
    run_id      TEXT NOT NULL REFERENCES runs (id)
) STRICT, WITHOUT ROWID;

-- When each repository was served last, as a count of claims.
CREATE TABLE served (
    repository  TEXT NOT NULL PRIMARY KEY,
    turn        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Places in the chain of events that one process at a time acts on.
CREATE TABLE cursors (
    name        TEXT NOT NULL PRIMARY KEY,
    seq         INTEGER NOT NULL,
    holder      TEXT NOT NULL,
    until_at    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE operators (
    id            TEXT NOT NULL PRIMARY KEY,
    name          TEXT NOT NULL,
    role          TEXT NOT NULL,
    token_digest  TEXT UNIQUE,
    password_hash TEXT,
    created_at    TEXT NOT NULL,
    revoked_at    TEXT
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX operators_in_force ON operators (name) WHERE revoked_at IS NULL;
