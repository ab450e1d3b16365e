ALTER TABLE runs ADD COLUMN tags TEXT DEFAULT '[]' NOT NULL;

ALTER TABLE runs ADD COLUMN price_credits INTEGER;

ALTER TABLE runs ADD COLUMN price_nano INTEGER;

ALTER TABLE attempts ADD COLUMN estimated_input INTEGER;

ALTER TABLE settlements ADD COLUMN wallet TEXT;

ALTER TABLE settlements ADD COLUMN charged_credits INTEGER;

ALTER TABLE settlements ADD COLUMN charged_nano INTEGER;

ALTER TABLE budgets ADD COLUMN soft_nano INTEGER;

ALTER TABLE budgets ADD COLUMN soft_at INTEGER;

ALTER TABLE holds ADD COLUMN by_operation BOOLEAN DEFAULT 0 NOT NULL;

ALTER TABLE hold_budgets ADD COLUMN operation TEXT;

CREATE TABLE budget_changes (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  xid INTEGER DEFAULT 0 NOT NULL,
  scope TEXT NOT NULL,
  "key" TEXT NOT NULL,
  span TEXT NOT NULL,
  limit_nano INTEGER,
  soft_nano INTEGER,
  origin TEXT NOT NULL,
  changed_at INTEGER NOT NULL
);

CREATE TABLE credit_entries (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  xid INTEGER DEFAULT 0 NOT NULL,
  wallet_id TEXT NOT NULL,
  grant_id TEXT NOT NULL,
  run_id TEXT,
  debit TEXT NOT NULL,
  credit TEXT NOT NULL,
  credits INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL
);

CREATE INDEX ix_credit_entries_wallet_id ON credit_entries (wallet_id, seq);

CREATE TABLE budget_settings (
  scope TEXT NOT NULL,
  "key" TEXT NOT NULL,
  span TEXT NOT NULL,
  limit_nano INTEGER NOT NULL,
  soft TEXT NOT NULL,
  PRIMARY KEY (scope, "key", span)
);

CREATE TABLE wallets (
  wallet_id TEXT NOT NULL,
  opened_at INTEGER NOT NULL,
  PRIMARY KEY (wallet_id)
);

CREATE TABLE grants (
  grant_id TEXT NOT NULL,
  wallet_id TEXT NOT NULL,
  granted_credits INTEGER NOT NULL,
  available_credits INTEGER NOT NULL,
  held_credits INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  rollover_credits INTEGER NOT NULL,
  granted_at INTEGER NOT NULL,
  expires_at INTEGER,
  PRIMARY KEY (grant_id)
);

CREATE INDEX ix_grants_wallet_id ON grants (wallet_id);

CREATE TABLE credit_holds (
  run_id TEXT NOT NULL,
  grant_id TEXT NOT NULL,
  credits INTEGER NOT NULL,
  PRIMARY KEY (run_id, grant_id)
);
