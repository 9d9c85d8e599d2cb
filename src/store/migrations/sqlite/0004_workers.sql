-- Processes that take runs from the queue, each until it says so again.
CREATE TABLE workers (
    name TEXT NOT NULL PRIMARY KEY,
    machine TEXT NOT NULL,
    until_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
