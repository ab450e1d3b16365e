-- Runs by what is asked for; columns that are not asked for are the same in every row.
SELECT
    stand_in,
    CASE WHEN list_contains($by, 'automation') THEN automation END AS automation,
    CASE WHEN list_contains($by, 'quality') THEN quality END AS quality,
    CASE WHEN list_contains($by, 'org') THEN org_id END AS org,
    CASE WHEN list_contains($by, 'user') THEN user_id END AS user,
    CASE WHEN list_contains($by, 'day') THEN quarters.day END AS day,
    count(*) AS runs,
    count(*) FILTER (WHERE outcome = 'completed') AS outcomes,
    count(*) FILTER (WHERE refused) AS refused,
    sum(turns)::BIGINT AS turns,
    sum(attempts)::BIGINT AS attempts,
    sum(cost_nano)::BIGINT AS cost_nano,
    quantile_disc(cost_nano, 0.5) FILTER (WHERE outcome <> 'running' AND NOT refused) AS p50_nano,
    quantile_disc(cost_nano, 0.95) FILTER (WHERE outcome <> 'running' AND NOT refused) AS p95_nano,
    count(*) FILTER (WHERE outcome = 'completed' AND charged_nano IS NULL) AS unpriced,
    coalesce(sum(charged_nano), 0)::BIGINT AS charged_nano
FROM chosen_runs
LEFT JOIN quarters ON quarter = started_at // 900000000
GROUP BY ALL
ORDER BY cost_nano DESC
