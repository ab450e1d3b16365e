-- The newest runs of an automation at one quality that were begun and have ended: what each cost, and whether its
-- outcome was reached. Those refused at the gate cost nothing and sold nothing.
WITH ended AS (
    SELECT run_id, max_by(outcome, ordinal) AS outcome, sum(held_nano) AS held_nano, max(ended_at) AS ended_at
    FROM settlements
    WHERE automation = $automation AND quality = $quality AND stand_in = $stand_in
    GROUP BY run_id
),
spent AS (
    SELECT run_id, sum(cost_nano)::BIGINT AS cost_nano FROM costs SEMI JOIN ended USING (run_id) GROUP BY run_id
)
SELECT coalesce(cost_nano, 0) AS cost_nano, outcome = 'completed' AS earned
FROM ended LEFT JOIN spent USING (run_id)
WHERE held_nano > 0
ORDER BY ended_at DESC
LIMIT $newest
