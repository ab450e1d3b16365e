ALTER TABLE adjustments ADD COLUMN reconciliation_id TEXT;

CREATE TABLE reconciliations (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  xid INTEGER DEFAULT 0 NOT NULL,
  reconciliation_id TEXT NOT NULL,
  provider TEXT NOT NULL,
  digest TEXT NOT NULL,
  first_day TEXT NOT NULL,
  last_day TEXT NOT NULL,
  billed_nano INTEGER NOT NULL,
  recorded_nano INTEGER NOT NULL,
  unexplained_nano INTEGER NOT NULL,
  adjusted_nano INTEGER NOT NULL,
  accepted_at INTEGER NOT NULL,
  UNIQUE (reconciliation_id)
);

CREATE UNIQUE INDEX ix_reconciliations_digest ON reconciliations (provider, digest);

CREATE TABLE reconciliation_lines (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  xid INTEGER DEFAULT 0 NOT NULL,
  reconciliation_id TEXT NOT NULL,
  day TEXT NOT NULL,
  days INTEGER NOT NULL,
  account TEXT NOT NULL,
  model TEXT NOT NULL,
  service_tier TEXT NOT NULL,
  cause TEXT NOT NULL,
  difference_nano INTEGER NOT NULL
);

CREATE INDEX ix_reconciliation_lines_id ON reconciliation_lines (reconciliation_id);

CREATE TABLE month_closes (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  xid INTEGER DEFAULT 0 NOT NULL,
  month TEXT NOT NULL,
  begins_at INTEGER NOT NULL,
  ends_at INTEGER NOT NULL,
  closed_at INTEGER NOT NULL,
  zone TEXT NOT NULL,
  cost_nano INTEGER NOT NULL,
  corrections_nano INTEGER NOT NULL,
  charged_nano INTEGER NOT NULL,
  figures TEXT NOT NULL,
  digest TEXT NOT NULL,
  UNIQUE (month)
);

CREATE TABLE statements (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  xid INTEGER DEFAULT 0 NOT NULL,
  number INTEGER NOT NULL,
  org_id TEXT NOT NULL,
  month TEXT NOT NULL,
  with_cost BOOLEAN NOT NULL,
  figures TEXT NOT NULL,
  issued_at INTEGER NOT NULL,
  UNIQUE (number)
);

CREATE UNIQUE INDEX ix_statements_org_id ON statements (org_id, month, with_cost);

CREATE TABLE usage_events (
  event_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  customer TEXT NOT NULL,
  automation TEXT NOT NULL,
  quality TEXT NOT NULL,
  value TEXT NOT NULL,
  happened_at INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  next_at INTEGER NOT NULL,
  fault TEXT,
  delivered_at INTEGER,
  PRIMARY KEY (event_id)
);

CREATE INDEX ix_usage_events_waiting ON usage_events (delivered_at, next_at);
