-- What is known of one failure across commits, with what stands for it at the forge. When it is due is beside the document: it is touched alone.
CREATE TABLE families (
    key        TEXT NOT NULL PRIMARY KEY,
    repository TEXT NOT NULL,
    run_id     TEXT NOT NULL REFERENCES runs (id),
    version    INTEGER NOT NULL,
    updated_at TEXT NOT NULL,
    due_at     TEXT,
    doc        TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX families_due ON families (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX families_of_run ON families (run_id);
CREATE INDEX families_of_repository ON families (repository, updated_at DESC);

-- What was last seen elsewhere. It can be read again at any time: it is no fact, and is not copied to another database.
CREATE TABLE snapshots (
    name       TEXT NOT NULL PRIMARY KEY,
    updated_at TEXT NOT NULL,
    doc        TEXT NOT NULL
) STRICT, WITHOUT ROWID;
