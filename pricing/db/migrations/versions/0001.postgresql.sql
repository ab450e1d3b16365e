CREATE TABLE runs (
  seq BIGSERIAL NOT NULL,
  xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
  run_id TEXT NOT NULL,
  automation TEXT NOT NULL,
  quality TEXT NOT NULL,
  user_id TEXT,
  org_id TEXT,
  plan TEXT NOT NULL,
  routes TEXT NOT NULL,
  rate_version TEXT NOT NULL,
  method TEXT NOT NULL,
  history BIGINT NOT NULL,
  point_nano BIGINT NOT NULL,
  p50_nano BIGINT NOT NULL,
  p95_nano BIGINT NOT NULL,
  ceiling_nano BIGINT NOT NULL,
  held_nano BIGINT NOT NULL,
  stand_in BOOLEAN NOT NULL,
  started_at BIGINT NOT NULL,
  PRIMARY KEY (seq),
  UNIQUE (run_id)
);

CREATE INDEX ix_runs_xid ON runs (xid);

CREATE TABLE turns (
  seq BIGSERIAL NOT NULL,
  xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
  turn_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  operation TEXT NOT NULL,
  prompt TEXT NOT NULL,
  prompt_version TEXT NOT NULL,
  route TEXT NOT NULL,
  outcome TEXT NOT NULL,
  reason TEXT,
  target TEXT,
  attempts BIGINT NOT NULL,
  repaired BOOLEAN NOT NULL,
  complexity FLOAT,
  saved_nano BIGINT NOT NULL,
  started_at BIGINT NOT NULL,
  duration_us BIGINT NOT NULL,
  PRIMARY KEY (seq),
  UNIQUE (turn_id)
);

CREATE INDEX ix_turns_run_id ON turns (run_id);

CREATE INDEX ix_turns_xid ON turns (xid);

CREATE TABLE attempts (
  seq BIGSERIAL NOT NULL,
  xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
  attempt_id TEXT NOT NULL,
  turn_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  operation TEXT NOT NULL,
  hop BIGINT NOT NULL,
  ordinal BIGINT NOT NULL,
  reason TEXT NOT NULL,
  target TEXT NOT NULL,
  provider TEXT NOT NULL,
  account TEXT NOT NULL,
  model TEXT NOT NULL,
  tier TEXT NOT NULL,
  stand_in BOOLEAN NOT NULL,
  outcome TEXT NOT NULL,
  status BIGINT,
  code TEXT,
  phase TEXT,
  request_id TEXT,
  input_tokens BIGINT,
  output_tokens BIGINT,
  cache_read_tokens BIGINT,
  cache_write_tokens BIGINT,
  cache_write_1h_tokens BIGINT,
  reasoning_tokens BIGINT,
  worst_nano BIGINT NOT NULL,
  cost_nano BIGINT NOT NULL,
  priced TEXT NOT NULL,
  saved_nano BIGINT NOT NULL,
  rate_version TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  duration_us BIGINT NOT NULL,
  PRIMARY KEY (seq),
  UNIQUE (attempt_id)
);

CREATE INDEX ix_attempts_run_id ON attempts (run_id);

CREATE INDEX ix_attempts_target ON attempts (target, seq);

CREATE INDEX ix_attempts_xid ON attempts (xid);

CREATE TABLE adjustments (
  seq BIGSERIAL NOT NULL,
  xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
  attempt_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  reason TEXT NOT NULL,
  input_tokens BIGINT,
  output_tokens BIGINT,
  cache_read_tokens BIGINT,
  cache_write_tokens BIGINT,
  cache_write_1h_tokens BIGINT,
  reasoning_tokens BIGINT,
  cost_delta_nano BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  PRIMARY KEY (seq)
);

CREATE INDEX ix_adjustments_run_id ON adjustments (run_id);

CREATE INDEX ix_adjustments_xid ON adjustments (xid);

CREATE TABLE settlements (
  seq BIGSERIAL NOT NULL,
  xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
  run_id TEXT NOT NULL,
  ordinal BIGINT NOT NULL,
  automation TEXT NOT NULL,
  quality TEXT NOT NULL,
  stand_in BOOLEAN NOT NULL,
  outcome TEXT NOT NULL,
  reason TEXT,
  budgets TEXT NOT NULL,
  held_nano BIGINT NOT NULL,
  spent_nano BIGINT NOT NULL,
  released_nano BIGINT NOT NULL,
  score FLOAT,
  rate_version TEXT NOT NULL,
  ended_at BIGINT NOT NULL,
  PRIMARY KEY (seq)
);

CREATE INDEX ix_settlements_history ON settlements (automation, quality, stand_in, seq);

CREATE UNIQUE INDEX ix_settlements_run_id ON settlements (run_id, ordinal);

CREATE INDEX ix_settlements_xid ON settlements (xid);

CREATE TABLE guard_decisions (
  seq BIGSERIAL NOT NULL,
  xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
  run_id TEXT NOT NULL,
  operation TEXT NOT NULL,
  guard TEXT NOT NULL,
  version TEXT NOT NULL,
  mode TEXT NOT NULL,
  direction TEXT NOT NULL,
  action TEXT NOT NULL,
  reason TEXT,
  latency_us BIGINT NOT NULL,
  cost_nano BIGINT NOT NULL,
  spans TEXT NOT NULL,
  decided_at BIGINT NOT NULL,
  PRIMARY KEY (seq)
);

CREATE INDEX ix_guard_decisions_run_id ON guard_decisions (run_id);

CREATE INDEX ix_guard_decisions_xid ON guard_decisions (xid);

CREATE TABLE circuit_events (
  seq BIGSERIAL NOT NULL,
  xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
  target TEXT NOT NULL,
  event TEXT NOT NULL,
  reason TEXT,
  level BIGINT NOT NULL,
  open_until BIGINT NOT NULL,
  happened_at BIGINT NOT NULL,
  PRIMARY KEY (seq)
);

CREATE INDEX ix_circuit_events_xid ON circuit_events (xid);

CREATE TABLE circuits (
  target TEXT NOT NULL,
  level BIGINT NOT NULL,
  open_until BIGINT NOT NULL,
  probe_until BIGINT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (target)
);

CREATE TABLE budgets (
  budget_id TEXT NOT NULL,
  name TEXT NOT NULL,
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  span TEXT NOT NULL,
  starts_at BIGINT NOT NULL,
  ends_at BIGINT,
  limit_nano BIGINT NOT NULL,
  spent_nano BIGINT NOT NULL,
  held_nano BIGINT NOT NULL,
  PRIMARY KEY (budget_id)
);

CREATE TABLE holds (
  run_id TEXT NOT NULL,
  ordinal BIGINT NOT NULL,
  amount_nano BIGINT NOT NULL,
  used_nano BIGINT NOT NULL,
  inflight_nano BIGINT NOT NULL,
  lease_until BIGINT NOT NULL,
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
  worst_nano BIGINT NOT NULL,
  intent TEXT NOT NULL,
  PRIMARY KEY (attempt_id)
);

CREATE INDEX ix_inflight_run_id ON inflight (run_id);

CREATE TABLE meta (
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (key)
);
