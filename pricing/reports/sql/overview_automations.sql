-- Quantiles are of runs that ended and were not refused before they began: amounts that some run really cost. Of those,
-- 200 quantiles stand for the whole distribution.
SELECT
    stand_in, automation,
    count(*) AS runs,
    count(*) FILTER (WHERE refused) AS refused,
    count(*) FILTER (WHERE outcome = 'completed') AS outcomes,
    count(*) FILTER (WHERE outcome = 'completed' AND charged_nano IS NULL) AS unpriced,
    count(*) FILTER (WHERE outcome = 'completed' AND cost_nano <= p95_nano) AS covered,
    sum(cost_nano)::BIGINT AS spent_nano,
    coalesce(sum(cost_nano) FILTER (WHERE outcome NOT IN ('completed', 'running')), 0)::BIGINT AS unearned_nano,
    coalesce(sum(cost_nano) FILTER (WHERE outcome = 'running'), 0)::BIGINT AS open_nano,
    coalesce(sum(charged_nano), 0)::BIGINT AS charged_nano,
    quantile_disc(cost_nano, 0.5) FILTER (WHERE outcome <> 'running' AND NOT refused) AS p50_nano,
    quantile_disc(cost_nano, 0.95) FILTER (WHERE outcome <> 'running' AND NOT refused) AS p95_nano,
    quantile_disc(cost_nano, list_transform(range(200), lambda n: (n + 0.5) / 200))
        FILTER (WHERE outcome <> 'running' AND NOT refused) AS sample
FROM chosen_runs
GROUP BY stand_in, automation
ORDER BY spent_nano DESC, automation
