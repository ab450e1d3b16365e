-- What a month came to, as far as it was known at $cut. An attempt or an adjustment is of the month in which the attempt
-- began, unless it became known after that month was closed: then it is a correction, of the month in which it became
-- known, and `origin` names the one that it corrects.
WITH known AS (
    SELECT attempt_id, run_id, provider, started_at, started_at + duration_us AS known_at, cost_nano, 1 AS attempts
    FROM attempts
    WHERE NOT stand_in
    UNION ALL
    SELECT one.attempt_id, one.run_id, of.provider, of.started_at, one.recorded_at, one.cost_delta_nano, 0
    FROM adjustments AS one
    JOIN (SELECT attempt_id, provider, started_at FROM attempts WHERE NOT stand_in) AS of USING (attempt_id)
),
placed AS (
    SELECT
        known.*,
        CASE WHEN closes.closed_at IS NOT NULL AND known_at >= closes.closed_at THEN closes.month END AS origin
    FROM known
    LEFT JOIN month_closes AS closes
        ON known.started_at >= closes.begins_at AND known.started_at < closes.ends_at AND closes.month <> $month
)
SELECT
    owners.automation, owners.org_id, owners.user_id, provider, origin,
    sum(cost_nano)::BIGINT AS cost_nano, sum(attempts)::BIGINT AS attempts, count(*)::BIGINT AS facts
FROM placed
JOIN (FROM runs QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY seq) = 1) AS owners USING (run_id)
WHERE (origin IS NULL AND placed.started_at >= $begins AND placed.started_at < $ends AND known_at < $cut)
    OR (origin IS NOT NULL AND known_at >= $begins AND known_at < $ends AND known_at < $cut)
GROUP BY ALL
ORDER BY ALL
