-- The backlog's first schema.
--
-- A run and an attempt are JSON documents (`doc`), the one truth. What queries look at is generated from the document and so cannot
-- disagree with it; only times are kept beside it, because those of the document do not sort as text. Ids are 32 hexadecimal digits,
-- times RFC 3339 in UTC with nine fractional digits: they sort as text and lose nothing.

CREATE TABLE runs (
    id          TEXT NOT NULL PRIMARY KEY,
    created_at  TEXT NOT NULL,
    updated_at  TEXT NOT NULL,
    not_before  TEXT,
    repository  TEXT GENERATED ALWAYS AS (json_extract(doc, '$.repository')) VIRTUAL,
    branch      TEXT GENERATED ALWAYS AS (json_extract(doc, '$.branch')) VIRTUAL,
    commit_sha  TEXT GENERATED ALWAYS AS (json_extract(doc, '$.commitSha')) VIRTUAL,
    error_hash  TEXT GENERATED ALWAYS AS (json_extract(doc, '$.errorHash')) VIRTUAL,
    status      TEXT GENERATED ALWAYS AS (json_extract(doc, '$.status')) VIRTUAL,
    resolved_by TEXT GENERATED ALWAYS AS (json_extract(doc, '$.resolvedBy')) VIRTUAL,
    version     INTEGER GENERATED ALWAYS AS (json_extract(doc, '$.version')) VIRTUAL,
    doc         TEXT NOT NULL
) STRICT;

-- Covers both a page (order and filters) and its total.
CREATE INDEX runs_by_change ON runs (updated_at DESC, id, status, repository);
CREATE INDEX runs_by_creation ON runs (created_at);
CREATE INDEX runs_by_status ON runs (status, resolved_by);

CREATE TABLE attempts (
    run_id      TEXT NOT NULL REFERENCES runs (id),
    attempt_no  INTEGER NOT NULL,
    doc         TEXT NOT NULL,
    PRIMARY KEY (run_id, attempt_no)
) STRICT;

CREATE TABLE events (
    seq         INTEGER PRIMARY KEY,
    run_id      TEXT NOT NULL REFERENCES runs (id),
    run_version INTEGER NOT NULL,
    type        TEXT NOT NULL,
    actor       TEXT NOT NULL,
    message     TEXT NOT NULL,
    payload     TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    prev        TEXT NOT NULL,
    digest      TEXT NOT NULL
) STRICT;

CREATE INDEX events_of_run ON events (run_id, seq);

-- The end of the chain of events, so that cutting off its tail is found too. No row: no event was ever stored.
CREATE TABLE chain (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    last_seq    INTEGER NOT NULL,
    head        TEXT NOT NULL
) STRICT;

CREATE TABLE leases (
    run_id      TEXT NOT NULL PRIMARY KEY REFERENCES runs (id),
    worker      TEXT NOT NULL,
    token       TEXT NOT NULL,
    until_at    TEXT NOT NULL
) STRICT;

CREATE TABLE outputs (
    id            INTEGER PRIMARY KEY,
    run_id        TEXT NOT NULL REFERENCES runs (id),
    name          TEXT NOT NULL,
    dropped_bytes INTEGER NOT NULL,
    created_at    TEXT NOT NULL,
    bytes         BLOB NOT NULL,
    UNIQUE (run_id, name)
) STRICT;
