CREATE TABLE batches (
  label TEXT NOT NULL,
  run_id TEXT NOT NULL,
  target TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  stand_in BOOLEAN NOT NULL,
  batch_id TEXT,
  state TEXT NOT NULL,
  execution INTEGER NOT NULL,
  lines INTEGER NOT NULL,
  completed INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  begun_at INTEGER NOT NULL,
  submitted_at INTEGER,
  ended_at INTEGER,
  collected_at INTEGER,
  cancel_at INTEGER NOT NULL,
  leave_at INTEGER NOT NULL,
  cancelled_at INTEGER,
  cancelled_by TEXT,
  checked_at INTEGER,
  fault TEXT,
  PRIMARY KEY (label)
);

CREATE INDEX ix_batches_run_id ON batches (run_id);

CREATE INDEX ix_batches_collected_at ON batches (collected_at);

CREATE TABLE batch_lines (
  line_id TEXT NOT NULL,
  label TEXT NOT NULL,
  run_id TEXT NOT NULL,
  journal_id TEXT NOT NULL,
  holder TEXT NOT NULL,
  key TEXT NOT NULL,
  entry_id TEXT NOT NULL,
  turn_id TEXT NOT NULL,
  execution INTEGER NOT NULL,
  state TEXT NOT NULL,
  outcome TEXT,
  intent TEXT NOT NULL,
  details TEXT NOT NULL,
  PRIMARY KEY (line_id)
);

CREATE INDEX ix_batch_lines_label ON batch_lines (label);

CREATE INDEX ix_batch_lines_key ON batch_lines (journal_id, key);

CREATE INDEX ix_batch_lines_entry_id ON batch_lines (entry_id);

CREATE INDEX ix_batch_lines_turn_id ON batch_lines (turn_id);
