ALTER TABLE budgets ADD COLUMN raised_nano BIGINT;

CREATE TABLE approvals (
  seq BIGSERIAL NOT NULL,
  xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
  run_id TEXT NOT NULL,
  automation TEXT NOT NULL,
  choice TEXT NOT NULL,
  decided_by TEXT,
  hold_nano BIGINT NOT NULL,
  budgets TEXT NOT NULL,
  asked_at BIGINT NOT NULL,
  decided_at BIGINT NOT NULL,
  PRIMARY KEY (seq)
);

CREATE INDEX ix_approvals_run_id ON approvals (run_id);

CREATE INDEX ix_approvals_xid ON approvals (xid);

CREATE TABLE questions (
  run_id TEXT NOT NULL,
  hold_nano BIGINT NOT NULL,
  cheaper_nano BIGINT NOT NULL,
  budgets TEXT NOT NULL,
  run TEXT NOT NULL,
  asked_at BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  PRIMARY KEY (run_id)
);
