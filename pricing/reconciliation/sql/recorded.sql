-- What the ledger has of one provider by UTC day, account, model and service tier: attempts as they stand after later
-- findings. `estimates` were priced at their worst case, or at what an accepted bill says they cost; `unanswered` cost
-- nothing as far as is known; `after` is the day on which those of them ended that did not end on the day they began.
SELECT
    (started_at // 86400000000)::BIGINT AS day,
    CASE WHEN (started_at + duration_us) // 86400000000 > started_at // 86400000000
        THEN ((started_at + duration_us) // 86400000000)::BIGINT END AS after,
    account, model, coalesce(service_tier, 'standard') AS service_tier,
    count(*) FILTER (WHERE priced <> 'unbilled')::BIGINT AS requests,
    sum(cost_nano)::BIGINT AS cost_nano,
    coalesce(sum(cost_nano) FILTER (WHERE priced IN ('worst_case', 'billed')), 0)::BIGINT AS estimated_nano,
    coalesce(sum(greatest(0, input_tokens - coalesce(cache_read_tokens, 0) - coalesce(cache_write_tokens, 0)
        - coalesce(cache_write_1h_tokens, 0))) FILTER (WHERE priced = 'usage'), 0)::BIGINT AS input,
    coalesce(sum(cache_read_tokens) FILTER (WHERE priced = 'usage'), 0)::BIGINT AS cache_read,
    coalesce(sum(cache_write_tokens) FILTER (WHERE priced = 'usage'), 0)::BIGINT AS cache_write,
    coalesce(sum(cache_write_1h_tokens) FILTER (WHERE priced = 'usage'), 0)::BIGINT AS cache_write_1h,
    coalesce(sum(output_tokens) FILTER (WHERE priced = 'usage'), 0)::BIGINT AS output,
    any_value(rate_version) AS rate_version
FROM costs
WHERE provider = $provider AND kind = 'model' AND NOT stand_in
    AND started_at >= $since AND started_at < $until
GROUP BY ALL
ORDER BY ALL
