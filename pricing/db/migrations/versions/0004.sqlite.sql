CREATE TABLE segments (
  ordinal INTEGER NOT NULL,
  runs INTEGER NOT NULL,
  before INTEGER NOT NULL,
  files TEXT NOT NULL,
  sealed_at INTEGER NOT NULL,
  pruned_at INTEGER,
  PRIMARY KEY (ordinal)
);
