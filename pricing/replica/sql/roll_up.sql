-- The rollups of the runs whose facts are in these_runs, these_turns and so on; what those in `known` had is replaced.
CREATE OR REPLACE TEMP TABLE whose AS
SELECT run_id, automation, quality, user_id, org_id, tags, stand_in, started_at
FROM these_runs
QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY seq) = 1;

-- The days whose cells are no longer right: those that the runs were of, and are of now.
CREATE TEMP TABLE IF NOT EXISTS touched_days (day BIGINT);

INSERT INTO touched_days
SELECT DISTINCT started_at // 86400000000 * 86400000000 AS day
FROM (
    SELECT started_at FROM whose
    UNION ALL
    SELECT started_at FROM known
);

CREATE OR REPLACE TEMP TABLE these_costs AS FROM corrected('these_attempts', 'these_adjustments');

DELETE FROM run_costs WHERE run_id IN (SELECT run_id FROM known);

INSERT INTO run_costs
SELECT
    whose.*, a.operation, a.target, a.provider, a.model, a.tier,
    coalesce(a.service_tier, 'standard') AS service_tier, a.stand_in AS by_stand_in,
    count(*) AS attempts,
    count(*) FILTER (WHERE a.outcome <> 'ok') AS failed,
    sum(a.input_tokens), sum(a.output_tokens), sum(a.cache_read_tokens), sum(a.cache_write_tokens),
    sum(a.cache_write_1h_tokens), sum(a.reasoning_tokens),
    sum(a.cost_nano),
    coalesce(sum(a.cost_nano) FILTER (WHERE a.priced = 'worst_case'), 0),
    sum(a.saved_nano)
FROM these_costs AS a
JOIN whose ON whose.run_id = a.run_id
GROUP BY ALL
ORDER BY whose.started_at;

DELETE FROM run_turns WHERE run_id IN (SELECT run_id FROM known);

INSERT INTO run_turns
SELECT
    whose.*, t.operation, t.outcome, t.reason,
    count(*) AS turns,
    count(*) FILTER (WHERE t.attempts > 0) AS asked,
    count(moved.turn_id) AS fell_back,
    count(*) FILTER (WHERE t.repaired) AS repaired,
    sum(t.saved_nano) AS saved_nano
FROM these_turns AS t
JOIN whose ON whose.run_id = t.run_id
LEFT JOIN (
    -- Asking a target again at another service tier does not count as a move.
    SELECT DISTINCT turn_id
    FROM (
        SELECT turn_id, hop, regexp_extract(arg_min(reason, ordinal), ' at (\S+)$', 1) AS origin, max(target) AS target
        FROM these_attempts
        WHERE hop > 0
        GROUP BY ALL
    )
    WHERE origin <> target
) AS moved ON moved.turn_id = t.turn_id
GROUP BY ALL
ORDER BY whose.started_at;

-- The reason of the first attempt at a hop ends with the target before: "timeout at haiku".
DELETE FROM run_moves WHERE run_id IN (SELECT run_id FROM known);

INSERT INTO run_moves
WITH hops AS (
    SELECT
        run_id, turn_id, hop,
        regexp_extract(arg_min(reason, ordinal), ' at (\S+)$', 1) AS origin,
        max(target) AS target, bool_or(outcome = 'ok') AS answered
    FROM these_attempts
    WHERE hop > 0
    GROUP BY ALL
)
SELECT whose.*, origin, target, answered, count(*) AS turns
FROM hops
JOIN whose USING (run_id)
WHERE origin <> '' AND origin <> target
GROUP BY ALL
ORDER BY whose.started_at;

DELETE FROM run_guards WHERE run_id IN (SELECT run_id FROM known);

INSERT INTO run_guards
SELECT whose.*, d.guard, d.mode, d.action, d.reason, count(*) AS times
FROM these_guard_decisions AS d
JOIN whose ON whose.run_id = d.run_id
WHERE d.action <> 'allow'
GROUP BY ALL
ORDER BY whose.started_at;

DELETE FROM run_totals WHERE run_id IN (SELECT run_id FROM known);

INSERT INTO run_totals
WITH ended AS (
    SELECT
        run_id, max_by(outcome, seq) AS outcome, max(ended_at) AS ended_at, sum(held_nano) AS held_nano,
        sum(charged_nano) AS charged_nano, sum(charged_credits) AS charged_credits
    FROM these_settlements
    GROUP BY run_id
),
turned AS (
    SELECT run_id, count(*) AS turns FROM these_turns GROUP BY run_id
),
spent AS (
    SELECT
        run_id, count(*) AS attempts, sum(cost_nano) AS cost_nano,
        coalesce(sum(cost_nano) FILTER (WHERE stand_in), 0) AS stand_in_nano,
        coalesce(sum(cost_nano) FILTER (WHERE priced = 'worst_case'), 0) AS unknown_nano
    FROM these_costs
    GROUP BY run_id
)
SELECT
    run_id, seq, automation, quality, user_id, org_id, tags, stand_in, started_at, rate_version, method,
    point_nano, p50_nano, p95_nano, ceiling_nano,
    coalesce(outcome, 'running') AS outcome,
    coalesce(outcome = 'over_budget' AND ended.held_nano = 0 AND attempts IS NULL, false) AS refused,
    ended_at, coalesce(ended.held_nano, 0), charged_nano, charged_credits,
    coalesce(turns, 0), coalesce(attempts, 0), coalesce(cost_nano, 0), coalesce(stand_in_nano, 0),
    coalesce(unknown_nano, 0)
FROM (FROM these_runs QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY seq) = 1)
LEFT JOIN ended USING (run_id)
LEFT JOIN turned USING (run_id)
LEFT JOIN spent USING (run_id)
ORDER BY started_at, seq;

-- Ties are broken by seq; an attempt that was looked at before is there twice, hence the DISTINCT.
CREATE OR REPLACE TEMP TABLE lately AS
WITH known AS (
    SELECT DISTINCT target, provider, model, stand_in, outcome, duration_us, started_at, seq
    FROM (
        FROM last_attempts
        UNION ALL
        SELECT target, provider, model, stand_in, outcome, duration_us, started_at, seq
        FROM these_attempts
        WHERE outcome NOT IN ('cancelled', 'tier_capacity')
    )
)
SELECT unnest(arg_max(known, (started_at, seq), 20), max_depth := 2)
FROM known
GROUP BY target, provider, model, stand_in
UNION
SELECT unnest(arg_max(known, (started_at, seq), 20), max_depth := 2)
FROM known
WHERE outcome = 'ok'
GROUP BY target, provider, model, stand_in;

DELETE FROM last_attempts;

INSERT INTO last_attempts FROM lately;
