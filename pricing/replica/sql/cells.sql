-- The cells of the days in touched_days, added up again from the rollups. `first_day` and `after_days` enclose them: what
-- lies in the order of time need not all be read.
CREATE OR REPLACE TEMP MACRO touched(rollup) AS TABLE
SELECT *, started_at // 86400000000 * 86400000000 AS day
FROM query_table(rollup)
WHERE started_at >= getvariable('first_day') AND started_at < getvariable('after_days') AND day IN (FROM touched_days);

DELETE FROM day_totals WHERE day IN (FROM touched_days);

INSERT INTO day_totals BY NAME
SELECT
    day, automation, quality, stand_in, outcome, refused,
    sum(COLUMNS(['runs', 'covered', 'unpriced', 'attempts', 'cost_nano', 'stand_in_nano', 'charged_nano']))
FROM touched('counted_runs')
GROUP BY ALL
ORDER BY day;

DELETE FROM day_costs WHERE day IN (FROM touched_days);

INSERT INTO day_costs BY NAME
SELECT
    day, automation, quality, stand_in, operation, target, provider, model, tier, service_tier, by_stand_in,
    sum(COLUMNS(['attempts', 'failed', 'input_tokens', 'output_tokens', 'cache_read_tokens', 'cache_write_tokens',
        'cache_write_1h_tokens', 'reasoning_tokens', 'cost_nano', 'unknown_nano', 'saved_nano']))
FROM touched('run_costs')
GROUP BY ALL
ORDER BY day;

DELETE FROM day_turns WHERE day IN (FROM touched_days);

INSERT INTO day_turns BY NAME
SELECT
    day, automation, quality, stand_in, operation, outcome, reason,
    sum(COLUMNS(['turns', 'asked', 'fell_back', 'repaired', 'saved_nano']))
FROM touched('run_turns')
GROUP BY ALL
ORDER BY day;

DELETE FROM quarter_sums WHERE quarter // 86400000000 * 86400000000 IN (FROM touched_days);

INSERT INTO quarter_sums BY NAME
SELECT
    started_at // 900000000 * 900000000 AS quarter, stand_in, operation,
    sum(COLUMNS(['runs', 'cost_nano', 'charged_nano']))
FROM touched('counted_moments')
GROUP BY ALL
ORDER BY quarter;
