-- The newest runs of each automation and quality that tell how well they were quoted, oldest first. Those that a budget
-- stopped half-way count: they would have cost more still.
WITH ended AS (
    SELECT run_id, max_by(outcome, ordinal) AS outcome, sum(held_nano) AS held_nano, max(ended_at) AS ended_at
    FROM settlements
    GROUP BY run_id
),
spent AS (
    SELECT run_id, sum(cost_nano) AS cost_nano FROM costs GROUP BY run_id
)
SELECT
    runs.automation, runs.quality, runs.stand_in, runs.point_nano, runs.p50_nano, runs.p95_nano,
    ended.held_nano, coalesce(spent.cost_nano, 0)::BIGINT AS cost_nano, ended.outcome, ended.ended_at
FROM runs
JOIN ended USING (run_id)
LEFT JOIN spent USING (run_id)
WHERE (ended.outcome = 'completed' OR (ended.outcome = 'over_budget' AND spent.cost_nano > 0))
    AND ($automation IS NULL OR runs.automation = $automation)
QUALIFY row_number() OVER (
    PARTITION BY runs.automation, runs.quality, runs.stand_in ORDER BY ended.ended_at DESC
) <= $newest
ORDER BY runs.automation, runs.quality, runs.stand_in, ended.ended_at
