-- What runs came to by the quarter of an hour: in every time zone days begin at one.
SELECT
    started_at // 900000000 * 900000000 AS quarter, automation, org_id, user_id, tags,
    sum(cost_nano)::BIGINT AS cost_nano, coalesce(sum(charged_nano), 0)::BIGINT AS charged_nano,
    count(*) FILTER (WHERE NOT refused)::BIGINT AS runs
FROM run_totals
WHERE started_at >= $since AND stand_in = $stand_in
GROUP BY ALL
ORDER BY ALL
