CREATE TABLE runs (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  xid INTEGER DEFAULT 0 NOT NULL,
  run_id TEXT NOT NULL,
  automation TEXT NOT NULL,
  quality TEXT NOT NULL,
  user_id TEXT,
  org_id TEXT,
  "plan" TEXT NOT NULL,
  routes TEXT NOT NULL,
  rate_version TEXT NOT NULL,
  method TEXT NOT NULL,
  history INTEGER NOT NULL,
  point_nano INTEGER NOT NULL,
  p50_nano INTEGER NOT NULL,
  p95_nano INTEGER NOT NULL,
  ceiling_nano INTEGER NOT NULL,
  held_nano INTEGER NOT NULL,
  stand_in BOOLEAN NOT NULL,
  started_at INTEGER NOT NULL,
  UNIQUE (run_id)
);

CREATE TABLE turns (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  xid INTEGER DEFAULT 0 NOT NULL,
  turn_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  operation TEXT NOT NULL,
  prompt TEXT NOT NULL,
  prompt_version TEXT NOT NULL,
  route TEXT NOT NULL,
  outcome TEXT NOT NULL,
  reason TEXT,
  target TEXT,
  attempts INTEGER NOT NULL,
  repaired BOOLEAN NOT NULL,
  complexity FLOAT,
  saved_nano INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  duration_us INTEGER NOT NULL,
  UNIQUE (turn_id)
);

CREATE INDEX ix_turns_run_id ON turns (run_id);

CREATE TABLE attempts (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  xid INTEGER DEFAULT 0 NOT NULL,
  attempt_id TEXT NOT NULL,
  turn_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  operation TEXT NOT NULL,
  hop INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  reason TEXT NOT NULL,
  target TEXT NOT NULL,
  provider TEXT NOT NULL,
  account TEXT NOT NULL,
  model TEXT NOT NULL,
  tier TEXT NOT NULL,
  stand_in BOOLEAN NOT NULL,
  outcome TEXT NOT NULL,
  status INTEGER,
  code TEXT,
  phase TEXT,
  request_id TEXT,
  input_tokens INTEGER,
  output_tokens INTEGER,
  cache_read_tokens INTEGER,
  cache_write_tokens INTEGER,
  cache_write_1h_tokens INTEGER,
  reasoning_tokens INTEGER,
  worst_nano INTEGER NOT NULL,
  cost_nano INTEGER NOT NULL,
  priced TEXT NOT NULL,
  saved_nano INTEGER NOT NULL,
  rate_version TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  duration_us INTEGER NOT NULL,
  UNIQUE (attempt_id)
);

CREATE INDEX ix_attempts_run_id ON attempts (run_id);

CREATE INDEX ix_attempts_target ON attempts (target, seq);

CREATE TABLE adjustments (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  xid INTEGER DEFAULT 0 NOT NULL,
  attempt_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  reason TEXT NOT NULL,
  input_tokens INTEGER,
  output_tokens INTEGER,
  cache_read_tokens INTEGER,
  cache_write_tokens INTEGER,
  cache_write_1h_tokens INTEGER,
  reasoning_tokens INTEGER,
  cost_delta_nano INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL
);

CREATE INDEX ix_adjustments_run_id ON adjustments (run_id);

CREATE TABLE settlements (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  xid INTEGER DEFAULT 0 NOT NULL,
  run_id TEXT NOT NULL,
  ordinal INTEGER NOT NULL,
  automation TEXT NOT NULL,
  quality TEXT NOT NULL,
  stand_in BOOLEAN NOT NULL,
  outcome TEXT NOT NULL,
  reason TEXT,
  budgets TEXT NOT NULL,
  held_nano INTEGER NOT NULL,
  spent_nano INTEGER NOT NULL,
  released_nano INTEGER NOT NULL,
  score FLOAT,
  rate_version TEXT NOT NULL,
  ended_at INTEGER NOT NULL
);

CREATE INDEX ix_settlements_history ON settlements (automation, quality, stand_in, seq);

CREATE UNIQUE INDEX ix_settlements_run_id ON settlements (run_id, ordinal);

CREATE TABLE guard_decisions (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  xid INTEGER DEFAULT 0 NOT NULL,
  run_id TEXT NOT NULL,
  operation TEXT NOT NULL,
  guard TEXT NOT NULL,
  version TEXT NOT NULL,
  mode TEXT NOT NULL,
  direction TEXT NOT NULL,
  action TEXT NOT NULL,
  reason TEXT,
  latency_us INTEGER NOT NULL,
  cost_nano INTEGER NOT NULL,
  spans TEXT NOT NULL,
  decided_at INTEGER NOT NULL
);

CREATE INDEX ix_guard_decisions_run_id ON guard_decisions (run_id);

CREATE TABLE circuit_events (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  xid INTEGER DEFAULT 0 NOT NULL,
  target TEXT NOT NULL,
  event TEXT NOT NULL,
  reason TEXT,
  level INTEGER NOT NULL,
  open_until INTEGER NOT NULL,
  happened_at INTEGER NOT NULL
);

CREATE TABLE circuits (
  target TEXT NOT NULL,
  level INTEGER NOT NULL,
  open_until INTEGER NOT NULL,
  probe_until INTEGER NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (target)
);

CREATE TABLE budgets (
  budget_id TEXT NOT NULL,
  name TEXT NOT NULL,
  scope TEXT NOT NULL,
  "key" TEXT NOT NULL,
  span TEXT NOT NULL,
  starts_at INTEGER NOT NULL,
  ends_at INTEGER,
  limit_nano INTEGER NOT NULL,
  spent_nano INTEGER NOT NULL,
  held_nano INTEGER NOT NULL,
  PRIMARY KEY (budget_id)
);

CREATE TABLE holds (
  run_id TEXT NOT NULL,
  ordinal INTEGER NOT NULL,
  amount_nano INTEGER NOT NULL,
  used_nano INTEGER NOT NULL,
  inflight_nano INTEGER NOT NULL,
  lease_until INTEGER NOT NULL,
  PRIMARY KEY (run_id)
);

CREATE INDEX ix_holds_lease_until ON holds (lease_until);

CREATE TABLE hold_budgets (
  run_id TEXT NOT NULL,
  budget_id TEXT NOT NULL,
  PRIMARY KEY (run_id, budget_id)
);

CREATE TABLE inflight (
  attempt_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  worst_nano INTEGER NOT NULL,
  intent TEXT NOT NULL,
  PRIMARY KEY (attempt_id)
);

CREATE INDEX ix_inflight_run_id ON inflight (run_id);

CREATE TABLE meta (
  "key" TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY ("key")
);
