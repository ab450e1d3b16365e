-- What runs cost and earned in the newest days, in the rest of a period and before it, by automation and quality.
-- Those refused at the gate cost nothing and sold nothing.
SELECT
    stand_in, automation, quality,
    CASE WHEN ended_at >= $recent THEN 'recent' WHEN ended_at >= $since THEN 'earlier' ELSE 'before' END AS period,
    count(*) AS runs,
    count(*) FILTER (WHERE outcome = 'completed') AS outcomes,
    count(*) FILTER (WHERE outcome = 'completed' AND charged_nano IS NULL) AS unpriced,
    sum(cost_nano)::BIGINT AS cost_nano,
    coalesce(sum(charged_nano), 0)::BIGINT AS charged_nano,
    coalesce(var_pop(cost_nano), 0) AS variance
FROM run_totals
WHERE held_nano > 0 AND ended_at >= $before AND ended_at < $until
    AND ($automation IS NULL OR automation = $automation)
GROUP BY ALL
ORDER BY automation, quality, stand_in, period
