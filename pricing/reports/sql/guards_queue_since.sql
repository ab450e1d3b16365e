-- The day from which on there are as many decisions that stopped or changed something as are asked for, even if all
-- reviews were of those; the first day where there are fewer.
WITH days AS (
    SELECT day, sum(sum(decisions)) OVER (ORDER BY day DESC) AS upto
    FROM day_decisions
    WHERE action <> 'allow' AND ($guard IS NULL OR guard = $guard)
    GROUP BY day
)
SELECT
    coalesce(
        max(day) FILTER (WHERE upto >= $most + (SELECT count(DISTINCT decision) FROM guard_reviews)), min(day), 0
    ) AS since
FROM days
