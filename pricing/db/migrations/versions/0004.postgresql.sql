CREATE TABLE segments (
  ordinal BIGINT NOT NULL,
  runs BIGINT NOT NULL,
  before BIGINT NOT NULL,
  files TEXT NOT NULL,
  sealed_at BIGINT NOT NULL,
  pruned_at BIGINT,
  PRIMARY KEY (ordinal)
);
