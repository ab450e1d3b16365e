ALTER TABLE guard_decisions ADD COLUMN facts TEXT;

ALTER TABLE guard_decisions ADD COLUMN turn_id TEXT;

CREATE TABLE guard_reviews (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  xid INTEGER DEFAULT 0 NOT NULL,
  decision INTEGER NOT NULL,
  verdict TEXT NOT NULL,
  origin TEXT NOT NULL,
  reviewed_at INTEGER NOT NULL
);

CREATE INDEX ix_guard_reviews_decision ON guard_reviews (decision);

CREATE TABLE rate_slots (
  subject TEXT NOT NULL,
  slot INTEGER NOT NULL,
  used_at INTEGER NOT NULL,
  PRIMARY KEY (subject, slot)
);
