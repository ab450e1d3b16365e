-- What the outcomes of the period earned, by automation and quality; runs from before prices were recorded earn an unknown,
-- and so do imported ones.
WITH ended AS (
    SELECT automation, quality, run_id, 1 AS runs, outcome, charged_nano
    FROM settlements
    WHERE ended_at >= $since AND ended_at < $until AND stand_in = $stand_in AND held_nano > 0
    UNION ALL
    SELECT automation, quality, run_id, runs, outcome, NULL
    FROM imported_runs
    WHERE ended_at >= $since AND ended_at < $until AND NOT $stand_in
), counted AS (
    SELECT automation, quality, run_id, max(runs) AS runs FROM ended GROUP BY ALL
)
SELECT
    automation, quality,
    (SELECT sum(c.runs) FROM counted AS c WHERE c.automation = ended.automation AND c.quality = ended.quality)::BIGINT AS runs,
    coalesce(sum(runs) FILTER (WHERE outcome = 'completed'), 0)::BIGINT AS outcomes,
    sum(charged_nano)::BIGINT AS revenue_nano,
    coalesce(sum(runs) FILTER (WHERE outcome = 'completed' AND charged_nano IS NULL), 0)::BIGINT AS unpriced
FROM ended
GROUP BY automation, quality
ORDER BY automation, quality
