-- The latest runs, each once however often it was settled.
WITH listed AS (
    SELECT seq, run_id, automation, quality, stand_in, started_at, point_nano, p95_nano
    FROM runs
    WHERE $automation IS NULL OR automation = $automation
    ORDER BY started_at DESC, seq DESC
    LIMIT $limit
),
ended AS (
    SELECT run_id, max_by(outcome, ordinal) AS outcome, max(ended_at) AS ended_at
    FROM settlements SEMI JOIN listed USING (run_id)
    GROUP BY run_id
),
asked AS (
    SELECT run_id, count(*) AS turns
    FROM turns SEMI JOIN listed USING (run_id)
    GROUP BY run_id
),
spent AS (
    SELECT run_id, count(*) AS attempts, sum(cost_nano) AS cost_nano
    FROM costs SEMI JOIN listed USING (run_id)
    GROUP BY run_id
)
SELECT
    run_id, automation, quality, stand_in, started_at, ended_at,
    coalesce(outcome, 'running') AS outcome,
    coalesce(turns, 0) AS turns,
    coalesce(attempts, 0) AS attempts,
    point_nano, p95_nano,
    coalesce(cost_nano, 0) AS spent_nano
FROM listed
LEFT JOIN ended USING (run_id)
LEFT JOIN asked USING (run_id)
LEFT JOIN spent USING (run_id)
ORDER BY started_at DESC, seq DESC
