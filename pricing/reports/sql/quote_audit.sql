-- The newest runs of each automation and quality that tell how well they were quoted, oldest first. Those that a budget
-- stopped half-way count: they would have cost more still. `spared_nano` is what answers from storage did not cost again.
-- Older than the days in which enough were completed is none of them.
WITH stored AS (
    SELECT run_id, sum(saved_nano) AS spared_nano FROM run_turns WHERE outcome = 'stored' GROUP BY run_id
),
completed AS (
    SELECT
        automation, quality, stand_in, day,
        sum(runs) OVER (PARTITION BY automation, quality, stand_in ORDER BY day DESC) AS runs
    FROM day_totals
    WHERE outcome = 'completed'
),
enough AS (
    SELECT automation, quality, stand_in, max(day) AS since FROM completed WHERE runs >= $newest GROUP BY ALL
),
newest AS (
    SELECT run_totals.*
    FROM run_totals
    LEFT JOIN enough USING (automation, quality, stand_in)
    WHERE (outcome = 'completed' OR (outcome = 'over_budget' AND cost_nano > 0))
        AND NOT starts_with(run_totals.automation, 'ad-hoc:')
        AND ended_at >= coalesce(since, 0)
        AND ended_at >= $since
        AND ($automation IS NULL OR automation = $automation)
    QUALIFY row_number() OVER (PARTITION BY automation, quality, stand_in ORDER BY ended_at DESC) <= $newest
)
SELECT
    automation, quality, stand_in, point_nano, p50_nano, p95_nano, held_nano, cost_nano, outcome, ended_at,
    coalesce(spared_nano, 0)::BIGINT AS spared_nano
FROM newest
LEFT JOIN stored USING (run_id)
ORDER BY automation, quality, stand_in, ended_at
