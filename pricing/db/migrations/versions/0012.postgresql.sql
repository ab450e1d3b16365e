ALTER TABLE adjustments ADD COLUMN reconciliation_id TEXT;

CREATE TABLE reconciliations (
  seq BIGSERIAL NOT NULL,
  xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
  reconciliation_id TEXT NOT NULL,
  provider TEXT NOT NULL,
  digest TEXT NOT NULL,
  first_day TEXT NOT NULL,
  last_day TEXT NOT NULL,
  billed_nano BIGINT NOT NULL,
  recorded_nano BIGINT NOT NULL,
  unexplained_nano BIGINT NOT NULL,
  adjusted_nano BIGINT NOT NULL,
  accepted_at BIGINT NOT NULL,
  PRIMARY KEY (seq),
  UNIQUE (reconciliation_id)
);

CREATE UNIQUE INDEX ix_reconciliations_digest ON reconciliations (provider, digest);

CREATE INDEX ix_reconciliations_xid ON reconciliations (xid);

CREATE TABLE reconciliation_lines (
  seq BIGSERIAL NOT NULL,
  xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
  reconciliation_id TEXT NOT NULL,
  day TEXT NOT NULL,
  days BIGINT NOT NULL,
  account TEXT NOT NULL,
  model TEXT NOT NULL,
  service_tier TEXT NOT NULL,
  cause TEXT NOT NULL,
  difference_nano BIGINT NOT NULL,
  PRIMARY KEY (seq)
);

CREATE INDEX ix_reconciliation_lines_id ON reconciliation_lines (reconciliation_id);

CREATE INDEX ix_reconciliation_lines_xid ON reconciliation_lines (xid);

CREATE TABLE month_closes (
  seq BIGSERIAL NOT NULL,
  xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
  month TEXT NOT NULL,
  begins_at BIGINT NOT NULL,
  ends_at BIGINT NOT NULL,
  closed_at BIGINT NOT NULL,
  zone TEXT NOT NULL,
  cost_nano BIGINT NOT NULL,
  corrections_nano BIGINT NOT NULL,
  charged_nano BIGINT NOT NULL,
  figures TEXT NOT NULL,
  digest TEXT NOT NULL,
  PRIMARY KEY (seq),
  UNIQUE (month)
);

CREATE INDEX ix_month_closes_xid ON month_closes (xid);

CREATE TABLE statements (
  seq BIGSERIAL NOT NULL,
  xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
  number BIGINT NOT NULL,
  org_id TEXT NOT NULL,
  month TEXT NOT NULL,
  with_cost BOOLEAN NOT NULL,
  figures TEXT NOT NULL,
  issued_at BIGINT NOT NULL,
  PRIMARY KEY (seq),
  UNIQUE (number)
);

CREATE UNIQUE INDEX ix_statements_org_id ON statements (org_id, month, with_cost);

CREATE INDEX ix_statements_xid ON statements (xid);

CREATE TABLE usage_events (
  event_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  customer TEXT NOT NULL,
  automation TEXT NOT NULL,
  quality TEXT NOT NULL,
  value TEXT NOT NULL,
  happened_at BIGINT NOT NULL,
  tries BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  fault TEXT,
  delivered_at BIGINT,
  PRIMARY KEY (event_id)
);

CREATE INDEX ix_usage_events_waiting ON usage_events (delivered_at, next_at);
