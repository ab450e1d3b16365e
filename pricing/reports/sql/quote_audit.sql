-- The newest runs of each automation and quality that tell how well they were quoted, oldest first. Those that a budget
-- stopped half-way count: they would have cost more still.
SELECT
    automation, quality, stand_in, point_nano, p50_nano, p95_nano, held_nano, cost_nano, outcome, ended_at
FROM run_totals
WHERE (outcome = 'completed' OR (outcome = 'over_budget' AND cost_nano > 0))
    AND ($automation IS NULL OR automation = $automation)
QUALIFY row_number() OVER (PARTITION BY automation, quality, stand_in ORDER BY ended_at DESC) <= $newest
ORDER BY automation, quality, stand_in, ended_at
