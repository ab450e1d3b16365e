ALTER TABLE budgets ADD COLUMN raised_nano INTEGER;

CREATE TABLE approvals (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  xid INTEGER DEFAULT 0 NOT NULL,
  run_id TEXT NOT NULL,
  automation TEXT NOT NULL,
  choice TEXT NOT NULL,
  decided_by TEXT,
  hold_nano INTEGER NOT NULL,
  budgets TEXT NOT NULL,
  asked_at INTEGER NOT NULL,
  decided_at INTEGER NOT NULL
);

CREATE INDEX ix_approvals_run_id ON approvals (run_id);

CREATE TABLE questions (
  run_id TEXT NOT NULL,
  hold_nano INTEGER NOT NULL,
  cheaper_nano INTEGER NOT NULL,
  budgets TEXT NOT NULL,
  run TEXT NOT NULL,
  asked_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  PRIMARY KEY (run_id)
);
