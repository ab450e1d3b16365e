-- Per automation and quality: what its runs cost and earned, whether somebody owned them, and how prices went with costs.
SELECT
    stand_in, automation, quality,
    count(*) AS runs,
    count(*) FILTER (WHERE outcome = 'completed') AS outcomes,
    count(*) FILTER (WHERE outcome = 'completed' AND charged_nano IS NULL) AS unpriced,
    count(*) FILTER (WHERE outcome = 'blocked') AS blocked,
    sum(cost_nano)::BIGINT AS cost_nano,
    coalesce(sum(charged_nano), 0)::BIGINT AS charged_nano,
    count(*) FILTER (WHERE org_id IS NULL AND user_id IS NULL) AS unowned,
    coalesce(sum(cost_nano) FILTER (WHERE org_id IS NULL AND user_id IS NULL), 0)::BIGINT AS unowned_nano,
    count(DISTINCT charged_nano) FILTER (WHERE charged_nano > 0) AS prices,
    coalesce(corr(charged_nano, cost_nano) FILTER (WHERE charged_nano > 0), 0) AS follows
FROM chosen_runs
GROUP BY ALL
ORDER BY cost_nano DESC, automation, quality
