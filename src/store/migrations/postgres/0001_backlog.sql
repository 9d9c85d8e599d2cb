-- The backlog's first schema on PostgreSQL; the same as the embedded one at its second.
--
-- A run and an attempt are JSON documents (`doc`), the one truth. They are text and not jsonb, because that knows neither the character
-- NUL nor all numbers. What queries look at is kept beside the document, and the audit compares the two. Ids are 32 hexadecimal digits,
-- times RFC 3339 in UTC with nine fractional digits: they sort as text (byte by byte, hence the collation) and lose nothing. In text from
-- outside a backslash is `\\` and NUL is `\0`, since no text here can hold NUL.

CREATE TABLE runs (
    id          text COLLATE "C" PRIMARY KEY,
    ordinal     bigint GENERATED ALWAYS AS IDENTITY,
    created_at  text COLLATE "C" NOT NULL,
    updated_at  text COLLATE "C" NOT NULL,
    not_before  text COLLATE "C",
    repository  text COLLATE "C" NOT NULL,
    status      text COLLATE "C" NOT NULL,
    resolved_by text COLLATE "C",
    version     bigint NOT NULL,
    doc         text NOT NULL
);

-- Covers both a page (order and filters) and its total.
CREATE INDEX runs_by_change ON runs (updated_at DESC, id, status, repository);
-- Ordered so that it cannot serve the question for the oldest run of a repository, for which the planner would take it where most runs wait.
CREATE INDEX runs_by_creation ON runs (created_at DESC NULLS LAST, ordinal DESC NULLS LAST);
CREATE INDEX runs_by_repository ON runs (repository, status, resolved_by);
-- What is waiting, by repository: the queue is asked for it with every claim.
CREATE INDEX runs_waiting ON runs (repository, created_at, ordinal) WHERE status = 'queued';
CREATE INDEX runs_running ON runs (id) WHERE status = 'running';

CREATE TABLE attempts (
    run_id      text COLLATE "C" NOT NULL REFERENCES runs (id),
    attempt_no  bigint NOT NULL,
    doc         text NOT NULL,
    PRIMARY KEY (run_id, attempt_no)
);

CREATE TABLE events (
    seq         bigint PRIMARY KEY,
    run_id      text COLLATE "C" NOT NULL,
    run_version bigint NOT NULL,
    type        text COLLATE "C" NOT NULL,
    actor       text NOT NULL,
    message     text NOT NULL,
    payload     text NOT NULL,
    created_at  text COLLATE "C" NOT NULL,
    prev        text COLLATE "C" NOT NULL,
    digest      text COLLATE "C" NOT NULL
);

CREATE INDEX events_of_run ON events (run_id, seq);

-- The end of the chain of events, so that cutting off its tail is found too. Whoever appends holds this row until the end of the
-- transaction: that makes the numbers gapless and in the order of the commits. `head` is none before the first event.
CREATE TABLE chain (
    id          integer PRIMARY KEY CHECK (id = 1),
    last_seq    bigint NOT NULL,
    head        text COLLATE "C"
);
INSERT INTO chain (id, last_seq, head) VALUES (1, 0, NULL);

CREATE TABLE leases (
    run_id      text COLLATE "C" PRIMARY KEY REFERENCES runs (id),
    worker      text COLLATE "C" NOT NULL,
    token       text COLLATE "C" NOT NULL,
    until_at    text COLLATE "C" NOT NULL
);

CREATE TABLE outputs (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id        text COLLATE "C" NOT NULL REFERENCES runs (id),
    name          text COLLATE "C" NOT NULL,
    dropped_bytes bigint NOT NULL,
    created_at    text COLLATE "C" NOT NULL,
    bytes         bytea NOT NULL,
    UNIQUE (run_id, name)
);

-- One run for each digest of repository, commit and error hash.
CREATE TABLE arrivals (
    key         text COLLATE "C" PRIMARY KEY,
    run_id      text COLLATE "C" NOT NULL REFERENCES runs (id)
);

-- Deliveries that came before, by the digest of the sender's name for them: names may be longer than an index takes.
CREATE TABLE deliveries (
    digest      text COLLATE "C" PRIMARY KEY,
    id          text NOT NULL,
    run_id      text COLLATE "C" NOT NULL REFERENCES runs (id)
);

-- When each repository was served last, as a count of claims.
CREATE TABLE served (
    repository  text COLLATE "C" PRIMARY KEY,
    turn        bigint NOT NULL
);

-- The count of claims. Whoever claims holds this row until the end of the transaction: no two count what is held at the same time.
CREATE TABLE turns (
    id          integer PRIMARY KEY CHECK (id = 1),
    last        bigint NOT NULL
);
INSERT INTO turns (id, last) VALUES (1, 0);

-- Places in the chain of events that one process at a time acts on.
CREATE TABLE cursors (
    name        text COLLATE "C" PRIMARY KEY,
    seq         bigint NOT NULL,
    holder      text COLLATE "C" NOT NULL,
    until_at    text COLLATE "C" NOT NULL
);

CREATE TABLE operators (
    id            text COLLATE "C" PRIMARY KEY,
    name          text COLLATE "C" NOT NULL,
    role          text COLLATE "C" NOT NULL,
    token_digest  text COLLATE "C" UNIQUE,
    password_hash text,
    created_at    text COLLATE "C" NOT NULL,
    revoked_at    text COLLATE "C"
);
CREATE UNIQUE INDEX operators_in_force ON operators (name) WHERE revoked_at IS NULL;
