-- What became known of runs after the quarter of an hour in which they began: the costs of attempts that ended later,
-- adjustments, and what was charged at the end. To say what a forecast of that time could know.
WITH chosen AS (
    SELECT run_id, started_at // 900000000 * 900000000 AS quarter
    FROM run_totals
    WHERE started_at >= $since AND stand_in = $stand_in AND ($automation IS NULL OR automation = $automation)
),
known AS (
    SELECT run_id, started_at + duration_us AS known_at, cost_nano, 0 AS charged_nano FROM attempts
    UNION ALL
    SELECT run_id, recorded_at, cost_delta_nano, 0 FROM adjustments
    UNION ALL
    SELECT run_id, ended_at, 0, coalesce(charged_nano, 0) FROM settlements
)
SELECT
    quarter, known_at // 900000000 * 900000000 AS known,
    sum(cost_nano)::BIGINT AS cost_nano, sum(charged_nano)::BIGINT AS charged_nano
FROM known
JOIN chosen USING (run_id)
WHERE known_at // 900000000 * 900000000 > quarter
GROUP BY ALL
ORDER BY ALL
