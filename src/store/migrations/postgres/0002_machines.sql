-- The machine whose path a run's order names: workers of others leave the run alone. It is set when the run is made and never changes.
ALTER TABLE runs ADD COLUMN machine text COLLATE "C";
