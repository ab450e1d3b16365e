CREATE TABLE batches (
  label TEXT NOT NULL,
  run_id TEXT NOT NULL,
  target TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  stand_in BOOLEAN NOT NULL,
  batch_id TEXT,
  state TEXT NOT NULL,
  execution BIGINT NOT NULL,
  lines BIGINT NOT NULL,
  completed BIGINT NOT NULL,
  failed BIGINT NOT NULL,
  begun_at BIGINT NOT NULL,
  submitted_at BIGINT,
  ended_at BIGINT,
  collected_at BIGINT,
  cancel_at BIGINT NOT NULL,
  leave_at BIGINT NOT NULL,
  cancelled_at BIGINT,
  cancelled_by TEXT,
  checked_at BIGINT,
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
  execution BIGINT NOT NULL,
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
