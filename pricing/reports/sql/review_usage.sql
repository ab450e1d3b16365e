-- What each attempt of the period used, one row per attempt that was billed: counted ones by their tokens, the others
-- at what they were charged.
CREATE TEMP TABLE review_usage AS
SELECT
    coalesce(attempts.kind, 'model') AS kind, runs.automation, runs.quality, attempts.provider, attempts.model,
    coalesce(attempts.service_tier, 'standard') AS service_tier,
    attempts.started_at, attempts.cost_nano, attempts.priced = 'usage' AS counted,
    greatest(coalesce(attempts.input_tokens, 0), coalesce(attempts.cache_read_tokens, 0)
        + coalesce(attempts.cache_write_tokens, 0) + coalesce(attempts.cache_write_1h_tokens, 0)) AS input,
    coalesce(attempts.output_tokens, 0) AS output,
    coalesce(attempts.cache_read_tokens, 0) AS cache_read, coalesce(attempts.cache_write_tokens, 0) AS cache_write,
    coalesce(attempts.cache_write_1h_tokens, 0) AS cache_write_1h
FROM costs AS attempts
JOIN runs USING (run_id)
WHERE attempts.started_at >= $since AND attempts.started_at < $until AND attempts.priced <> 'unbilled'
    AND runs.stand_in = $stand_in
UNION ALL BY NAME
-- Imported usage: of a sum of requests, as many rows of their mean, so that each is priced by its own size.
SELECT
    CASE WHEN used.priced = 'usage' THEN 'model' ELSE 'stated' END AS kind, runs.automation, runs.quality, used.provider, used.model,
    'standard' AS service_tier, used.started_at,
    round(used.cost_nano / rows)::BIGINT AS cost_nano, used.priced = 'usage' AS counted,
    round(greatest(coalesce(used.input_tokens, 0), coalesce(used.cache_read_tokens, 0)
        + coalesce(used.cache_write_tokens, 0) + coalesce(used.cache_write_1h_tokens, 0)) / rows)::BIGINT AS input,
    round(coalesce(used.output_tokens, 0) / rows)::BIGINT AS output,
    round(coalesce(used.cache_read_tokens, 0) / rows)::BIGINT AS cache_read,
    round(coalesce(used.cache_write_tokens, 0) / rows)::BIGINT AS cache_write,
    round(coalesce(used.cache_write_1h_tokens, 0) / rows)::BIGINT AS cache_write_1h
FROM (SELECT *, least(requests, 10000) AS rows FROM imported_usage) AS used, range(used.rows)
JOIN imported_runs AS runs ON runs.run_id = used.run_id
WHERE used.started_at >= $since AND used.started_at < $until AND NOT $stand_in
