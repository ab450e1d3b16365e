SELECT
    run_id, automation, quality, stand_in, started_at, ended_at, outcome, turns, attempts, point_nano, p95_nano,
    cost_nano AS spent_nano
FROM run_totals
WHERE $automation IS NULL OR automation = $automation
ORDER BY started_at DESC, seq DESC
LIMIT $limit
