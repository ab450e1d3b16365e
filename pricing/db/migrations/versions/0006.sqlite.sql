CREATE TABLE calibration_scores (
  score_key TEXT NOT NULL,
  subject TEXT NOT NULL,
  run_id TEXT NOT NULL,
  asked_at INTEGER NOT NULL,
  ended_at INTEGER,
  score FLOAT,
  cost_nano INTEGER NOT NULL,
  duration_us INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  verified BOOLEAN,
  operations TEXT NOT NULL,
  PRIMARY KEY (score_key)
);

CREATE INDEX ix_calibration_scores_subject ON calibration_scores (subject);
