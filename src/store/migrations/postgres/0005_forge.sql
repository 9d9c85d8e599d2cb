-- What is known of one failure across commits, with what stands for it at the forge. When it is due is beside the document: it is touched alone.
CREATE TABLE families (
    key        text COLLATE "C" PRIMARY KEY,
    repository text COLLATE "C" NOT NULL,
    run_id     text COLLATE "C" NOT NULL REFERENCES runs (id),
    version    bigint NOT NULL,
    updated_at text COLLATE "C" NOT NULL,
    due_at     text COLLATE "C",
    doc        text NOT NULL
);
CREATE INDEX families_due ON families (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX families_of_run ON families (run_id);
CREATE INDEX families_of_repository ON families (repository, updated_at DESC);

-- What was last seen elsewhere. It can be read again at any time: it is no fact, and is not copied to another database.
CREATE TABLE snapshots (
    name       text COLLATE "C" PRIMARY KEY,
    updated_at text COLLATE "C" NOT NULL,
    doc        text NOT NULL
);
