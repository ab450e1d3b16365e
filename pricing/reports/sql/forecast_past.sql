-- What runs came to by the quarter of an hour, as it is known now.
SELECT
    started_at // 900000000 * 900000000 AS quarter,
    sum(cost_nano)::BIGINT AS cost_nano, coalesce(sum(charged_nano), 0)::BIGINT AS charged_nano
FROM run_totals
WHERE started_at >= $since AND stand_in = $stand_in AND ($automation IS NULL OR automation = $automation)
GROUP BY ALL
ORDER BY ALL
