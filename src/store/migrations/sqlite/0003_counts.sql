-- Counts by repository and status come from an index alone: what is generated from a document is slow to read from the table.
CREATE INDEX runs_by_repository ON runs (repository, status, resolved_by);
