CREATE TABLE imports (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  xid INTEGER DEFAULT 0 NOT NULL,
  automation TEXT NOT NULL,
  quality TEXT NOT NULL,
  source TEXT NOT NULL,
  digest TEXT NOT NULL,
  runs INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  cost_nano INTEGER NOT NULL,
  imported_at INTEGER NOT NULL
);

CREATE UNIQUE INDEX ix_imports_digest ON imports (automation, quality, digest);

CREATE TABLE imported_runs (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  xid INTEGER DEFAULT 0 NOT NULL,
  run_id TEXT NOT NULL,
  automation TEXT NOT NULL,
  quality TEXT NOT NULL,
  plan TEXT NOT NULL,
  routes TEXT NOT NULL,
  rate_version TEXT NOT NULL,
  point_nano INTEGER NOT NULL,
  runs INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  cost_nano INTEGER NOT NULL,
  user_id TEXT,
  org_id TEXT,
  started_at INTEGER NOT NULL,
  ended_at INTEGER NOT NULL,
  UNIQUE (run_id)
);

CREATE INDEX ix_imported_runs_history ON imported_runs (automation, quality, seq);

CREATE TABLE imported_usage (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  xid INTEGER DEFAULT 0 NOT NULL,
  run_id TEXT NOT NULL,
  operation TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  requests INTEGER NOT NULL,
  input_tokens INTEGER,
  output_tokens INTEGER,
  cache_read_tokens INTEGER,
  cache_write_tokens INTEGER,
  cache_write_1h_tokens INTEGER,
  reasoning_tokens INTEGER,
  cost_nano INTEGER NOT NULL,
  priced TEXT NOT NULL,
  started_at INTEGER NOT NULL
);

CREATE INDEX ix_imported_usage_run_id ON imported_usage (run_id);
