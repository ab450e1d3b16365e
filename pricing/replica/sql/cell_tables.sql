-- Cells: what all runs of a day (in UTC) came to, for each automation and quality, so that a report on a year need not
-- add up every run. Days from `closed.until` on have none: there, runs still come in.
CREATE TABLE closed (until BIGINT);

INSERT INTO closed VALUES (0);

CREATE TABLE day_totals (
    day BIGINT, automation VARCHAR, quality VARCHAR, stand_in BOOLEAN, outcome VARCHAR, refused BOOLEAN,
    runs BIGINT, covered BIGINT, unpriced BIGINT, attempts BIGINT,
    cost_nano BIGINT, stand_in_nano BIGINT, charged_nano BIGINT
);

CREATE TABLE day_costs (
    day BIGINT, automation VARCHAR, quality VARCHAR, stand_in BOOLEAN,
    operation VARCHAR, target VARCHAR, provider VARCHAR, model VARCHAR, tier VARCHAR, service_tier VARCHAR,
    by_stand_in BOOLEAN,
    attempts BIGINT, failed BIGINT,
    input_tokens BIGINT, output_tokens BIGINT, cache_read_tokens BIGINT, cache_write_tokens BIGINT,
    cache_write_1h_tokens BIGINT, reasoning_tokens BIGINT,
    cost_nano BIGINT, unknown_nano BIGINT, saved_nano BIGINT
);

CREATE TABLE day_turns (
    day BIGINT, automation VARCHAR, quality VARCHAR, stand_in BOOLEAN,
    operation VARCHAR, outcome VARCHAR, reason VARCHAR,
    turns BIGINT, asked BIGINT, fell_back BIGINT, repaired BIGINT, saved_nano BIGINT
);

-- What is asked for by day, by the quarter of an hour: in every time zone days begin at one. Rows without an operation
-- are about runs, the others about their attempts.
CREATE TABLE quarter_sums (
    quarter BIGINT, stand_in BOOLEAN, operation VARCHAR, runs BIGINT, cost_nano BIGINT, charged_nano BIGINT
);

-- A run as it counts in `day_totals`: a quote covered it if it was completed for its p95 or less.
CREATE VIEW counted_runs AS
SELECT
    * EXCLUDE (covers, completed),
    (completed AND covers)::INTEGER AS covered,
    (completed AND charged_nano IS NULL)::INTEGER AS unpriced
FROM (SELECT *, 1 AS runs, cost_nano <= p95_nano AS covers, outcome = 'completed' AS completed FROM run_totals);

-- A run, and what its operations came to, as they count in `quarter_sums`.
CREATE VIEW counted_moments AS
SELECT
    automation, org_id, user_id, stand_in, started_at, NULL::VARCHAR AS operation, 1 AS runs, cost_nano, charged_nano
FROM run_totals
UNION ALL
SELECT automation, org_id, user_id, stand_in, started_at, operation, 0, cost_nano, NULL FROM run_costs;

-- What guards decided on a day, and how often that took how long; counted when a decision becomes known.
CREATE TABLE day_decisions (
    day BIGINT, guard VARCHAR, version VARCHAR, mode VARCHAR, direction VARCHAR, action VARCHAR, reason VARCHAR,
    latency_us BIGINT, decisions BIGINT, cost_nano BIGINT
);
