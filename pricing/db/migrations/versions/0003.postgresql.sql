ALTER TABLE guard_decisions ADD COLUMN facts TEXT;

ALTER TABLE guard_decisions ADD COLUMN turn_id TEXT;

CREATE TABLE guard_reviews (
  seq BIGSERIAL NOT NULL,
  xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
  decision BIGINT NOT NULL,
  verdict TEXT NOT NULL,
  origin TEXT NOT NULL,
  reviewed_at BIGINT NOT NULL,
  PRIMARY KEY (seq)
);

CREATE INDEX ix_guard_reviews_decision ON guard_reviews (decision);

CREATE INDEX ix_guard_reviews_xid ON guard_reviews (xid);

CREATE TABLE rate_slots (
  subject TEXT NOT NULL,
  slot BIGINT NOT NULL,
  used_at BIGINT NOT NULL,
  PRIMARY KEY (subject, slot)
);
