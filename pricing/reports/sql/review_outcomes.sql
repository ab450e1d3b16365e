-- What the outcomes of the period earned, by automation and quality; runs from before prices were recorded earn an unknown.
SELECT
    automation, quality, count(DISTINCT run_id) AS runs, count(*) FILTER (WHERE settlements.outcome = 'completed') AS outcomes,
    sum(charged_nano)::BIGINT AS revenue_nano,
    count(*) FILTER (WHERE settlements.outcome = 'completed' AND charged_nano IS NULL) AS unpriced
FROM settlements
WHERE ended_at >= $since AND ended_at < $until AND stand_in = $stand_in AND held_nano > 0
GROUP BY automation, quality
ORDER BY automation, quality
