ALTER TABLE runs ADD COLUMN tags TEXT DEFAULT '[]' NOT NULL;

ALTER TABLE runs ADD COLUMN price_credits BIGINT;

ALTER TABLE runs ADD COLUMN price_nano BIGINT;

ALTER TABLE attempts ADD COLUMN estimated_input BIGINT;

ALTER TABLE settlements ADD COLUMN wallet TEXT;

ALTER TABLE settlements ADD COLUMN charged_credits BIGINT;

ALTER TABLE settlements ADD COLUMN charged_nano BIGINT;

ALTER TABLE budgets ADD COLUMN soft_nano BIGINT;

ALTER TABLE budgets ADD COLUMN soft_at BIGINT;

ALTER TABLE holds ADD COLUMN by_operation BOOLEAN DEFAULT false NOT NULL;

ALTER TABLE hold_budgets ADD COLUMN operation TEXT;

CREATE TABLE budget_changes (
  seq BIGSERIAL NOT NULL,
  xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  span TEXT NOT NULL,
  limit_nano BIGINT,
  soft_nano BIGINT,
  origin TEXT NOT NULL,
  changed_at BIGINT NOT NULL,
  PRIMARY KEY (seq)
);

CREATE INDEX ix_budget_changes_xid ON budget_changes (xid);

CREATE TABLE credit_entries (
  seq BIGSERIAL NOT NULL,
  xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
  wallet_id TEXT NOT NULL,
  grant_id TEXT NOT NULL,
  run_id TEXT,
  debit TEXT NOT NULL,
  credit TEXT NOT NULL,
  credits BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  PRIMARY KEY (seq)
);

CREATE INDEX ix_credit_entries_wallet_id ON credit_entries (wallet_id, seq);

CREATE INDEX ix_credit_entries_xid ON credit_entries (xid);

CREATE TABLE budget_settings (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  span TEXT NOT NULL,
  limit_nano BIGINT NOT NULL,
  soft TEXT NOT NULL,
  PRIMARY KEY (scope, key, span)
);

CREATE TABLE wallets (
  wallet_id TEXT NOT NULL,
  opened_at BIGINT NOT NULL,
  PRIMARY KEY (wallet_id)
);

CREATE TABLE grants (
  grant_id TEXT NOT NULL,
  wallet_id TEXT NOT NULL,
  granted_credits BIGINT NOT NULL,
  available_credits BIGINT NOT NULL,
  held_credits BIGINT NOT NULL,
  priority BIGINT NOT NULL,
  rollover_credits BIGINT NOT NULL,
  granted_at BIGINT NOT NULL,
  expires_at BIGINT,
  PRIMARY KEY (grant_id)
);

CREATE INDEX ix_grants_wallet_id ON grants (wallet_id);

CREATE TABLE credit_holds (
  run_id TEXT NOT NULL,
  grant_id TEXT NOT NULL,
  credits BIGINT NOT NULL,
  PRIMARY KEY (run_id, grant_id)
);
