-- The same usage at the rates in `card`: per attempt, all tokens at the band that its input reaches, cached ones counted
-- once, rounded up to a nano-dollar as a bill is (rates are nano-dollars per million tokens). `factor` is how many
-- tokens the model now in its place makes of one. What tools cost is not priced by tokens, and stays.
WITH banded AS (
    SELECT
        usage.automation, usage.quality, usage.counted, usage.cost_nano, card.* EXCLUDE (provider, model, service_tier, since, until),
        CASE WHEN factor = 1 THEN usage.input ELSE round(usage.input * factor)::BIGINT END AS all_in,
        CASE WHEN factor = 1 THEN usage.cache_read ELSE round(usage.cache_read * factor)::BIGINT END AS read,
        CASE WHEN factor = 1 THEN usage.cache_write ELSE round(usage.cache_write * factor)::BIGINT END AS written,
        CASE WHEN factor = 1 THEN usage.cache_write_1h ELSE round(usage.cache_write_1h * factor)::BIGINT END AS kept,
        CASE WHEN factor = 1 THEN usage.output ELSE round(usage.output * factor)::BIGINT END AS out
    FROM review_usage AS usage
    JOIN card ON usage.provider = card.provider AND usage.model = card.model
        AND usage.service_tier = card.service_tier
        AND usage.started_at >= card.since AND usage.started_at < card.until
        AND CASE WHEN factor = 1 THEN usage.input ELSE round(usage.input * factor)::BIGINT END BETWEEN above + 1 AND upto
)
SELECT automation, quality, sum(cost_nano)::BIGINT AS cost_nano
FROM (
    SELECT
        automation, quality,
        sum(CASE WHEN counted THEN (
            wide(greatest(0, all_in - read - written - kept)) * input + wide(read) * cache_read
            + wide(written) * cache_write + wide(kept) * cache_write_1h + wide(out) * output + 999999
        ) // 1000000 ELSE cost_nano END)::BIGINT AS cost_nano
    FROM banded
    GROUP BY automation, quality
    UNION ALL
    SELECT automation, quality, sum(cost_nano) FROM review_usage WHERE kind <> 'model' GROUP BY automation, quality
)
GROUP BY automation, quality
