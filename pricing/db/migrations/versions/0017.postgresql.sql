CREATE TABLE imports (
  seq BIGSERIAL NOT NULL,
  xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
  automation TEXT NOT NULL,
  quality TEXT NOT NULL,
  source TEXT NOT NULL,
  digest TEXT NOT NULL,
  runs BIGINT NOT NULL,
  requests BIGINT NOT NULL,
  cost_nano BIGINT NOT NULL,
  imported_at BIGINT NOT NULL,
  PRIMARY KEY (seq)
);

CREATE UNIQUE INDEX ix_imports_digest ON imports (automation, quality, digest);

CREATE INDEX ix_imports_xid ON imports (xid);

CREATE TABLE imported_runs (
  seq BIGSERIAL NOT NULL,
  xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
  run_id TEXT NOT NULL,
  automation TEXT NOT NULL,
  quality TEXT NOT NULL,
  plan TEXT NOT NULL,
  routes TEXT NOT NULL,
  rate_version TEXT NOT NULL,
  point_nano BIGINT NOT NULL,
  runs BIGINT NOT NULL,
  outcome TEXT NOT NULL,
  cost_nano BIGINT NOT NULL,
  user_id TEXT,
  org_id TEXT,
  started_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL,
  PRIMARY KEY (seq),
  UNIQUE (run_id)
);

CREATE INDEX ix_imported_runs_history ON imported_runs (automation, quality, seq);

CREATE INDEX ix_imported_runs_xid ON imported_runs (xid);

CREATE TABLE imported_usage (
  seq BIGSERIAL NOT NULL,
  xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
  run_id TEXT NOT NULL,
  operation TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  requests BIGINT NOT NULL,
  input_tokens BIGINT,
  output_tokens BIGINT,
  cache_read_tokens BIGINT,
  cache_write_tokens BIGINT,
  cache_write_1h_tokens BIGINT,
  reasoning_tokens BIGINT,
  cost_nano BIGINT NOT NULL,
  priced TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  PRIMARY KEY (seq)
);

CREATE INDEX ix_imported_usage_run_id ON imported_usage (run_id);

CREATE INDEX ix_imported_usage_xid ON imported_usage (xid);
