CREATE TABLE calibration_scores (
  score_key TEXT NOT NULL,
  subject TEXT NOT NULL,
  run_id TEXT NOT NULL,
  asked_at BIGINT NOT NULL,
  ended_at BIGINT,
  score FLOAT,
  cost_nano BIGINT NOT NULL,
  duration_us BIGINT NOT NULL,
  input_tokens BIGINT NOT NULL,
  output_tokens BIGINT NOT NULL,
  verified BOOLEAN,
  operations TEXT NOT NULL,
  PRIMARY KEY (score_key)
);

CREATE INDEX ix_calibration_scores_subject ON calibration_scores (subject);
