-- The newest runs that tell how well they were quoted, oldest first; those that a budget stopped half-way too. Older than
-- the days in which enough were completed is none of them.
WITH completed AS (
    SELECT stand_in, day, sum(runs) OVER (PARTITION BY stand_in ORDER BY day DESC) AS runs
    FROM chosen_totals
    WHERE outcome = 'completed' AND day IS NOT NULL
),
enough AS (
    SELECT stand_in, max(day) AS since FROM completed WHERE runs >= $newest GROUP BY stand_in
)
SELECT stand_in, automation, started_at, outcome, cost_nano AS spent_nano, point_nano, p50_nano, p95_nano
FROM chosen_runs
LEFT JOIN enough USING (stand_in)
WHERE started_at >= coalesce(since, 0) AND NOT starts_with(automation, 'ad-hoc:') AND (outcome = 'completed' OR (outcome = 'over_budget' AND NOT refused))
QUALIFY row_number() OVER (PARTITION BY stand_in ORDER BY started_at DESC, run_id) <= $newest
ORDER BY started_at, run_id DESC
