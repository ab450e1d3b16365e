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
