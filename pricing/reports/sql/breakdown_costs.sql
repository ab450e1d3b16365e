-- Attempts by what is asked for; columns that are not asked for are the same in every row.
SELECT
    stand_in,
    CASE WHEN list_contains($by, 'automation') THEN automation END AS automation,
    CASE WHEN list_contains($by, 'quality') THEN quality END AS quality,
    CASE WHEN list_contains($by, 'org') THEN org_id END AS org,
    CASE WHEN list_contains($by, 'user') THEN user_id END AS user,
    CASE WHEN list_contains($by, 'day') THEN quarters.day END AS day,
    CASE WHEN list_contains($by, 'operation') THEN operation END AS operation,
    CASE WHEN list_contains($by, 'model') THEN model END AS model,
    CASE WHEN list_contains($by, 'target') THEN target END AS target,
    CASE WHEN list_contains($by, 'service_tier') THEN service_tier END AS service_tier,
    sum(attempts)::BIGINT AS attempts,
    sum(failed)::BIGINT AS failed,
    sum(input_tokens)::BIGINT AS input_tokens,
    sum(output_tokens)::BIGINT AS output_tokens,
    sum(cache_read_tokens)::BIGINT AS cache_read_tokens,
    sum(cost_nano)::BIGINT AS cost_nano,
    sum(unknown_nano)::BIGINT AS unknown_nano,
    sum(saved_nano)::BIGINT AS caching_nano
FROM chosen_costs
LEFT JOIN quarters ON quarter = started_at // 900000000
GROUP BY ALL
ORDER BY cost_nano DESC
