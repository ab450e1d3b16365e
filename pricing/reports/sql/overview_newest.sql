-- The newest runs that tell how well they were quoted, oldest first; those that a budget stopped half-way too.
SELECT stand_in, automation, started_at, outcome, cost_nano AS spent_nano, point_nano, p50_nano, p95_nano
FROM chosen_runs
WHERE outcome = 'completed' OR (outcome = 'over_budget' AND NOT refused)
QUALIFY row_number() OVER (PARTITION BY stand_in ORDER BY started_at DESC) <= $newest
ORDER BY started_at
