-- Processes that take runs from the queue, each until it says so again, by the clock of this server.
CREATE TABLE workers (
    name text COLLATE "C" PRIMARY KEY,
    machine text COLLATE "C" NOT NULL,
    until_at timestamptz NOT NULL
);
