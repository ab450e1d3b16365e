ALTER TABLE holds ADD COLUMN execution INTEGER NOT NULL DEFAULT 0;
ALTER TABLE holds ADD COLUMN state TEXT NOT NULL DEFAULT 'running';
ALTER TABLE holds ADD COLUMN fault TEXT;

CREATE TABLE executions (
  run_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (run_id)
);

CREATE TABLE written_off (
  attempt_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  budgets TEXT NOT NULL,
  PRIMARY KEY (attempt_id)
);
