-- The same usage at the rates in `card`: per attempt, all tokens at the band that its input reaches, cached ones counted
-- once, rounded up to a nano-dollar as a bill is. `factor` is how many tokens the model now in its place makes of one.
WITH used AS (
    SELECT
        usage.automation, usage.cost_nano, usage.counted, card.provider_now, card.model_now,
        round(cache_read * factor)::BIGINT AS cache_read,
        round(cache_write * factor)::BIGINT AS cache_write,
        round(cache_write_1h * factor)::BIGINT AS cache_write_1h,
        round(output * factor)::BIGINT AS output,
        round(greatest(input, cache_read + cache_write + cache_write_1h) * factor)::BIGINT AS input
    FROM review_usage AS usage
    JOIN (SELECT DISTINCT provider, model, provider_now, model_now, factor FROM card) AS card USING (provider, model)
),
billed AS (
    SELECT
        automation,
        CASE WHEN counted THEN ceil_div(
            greatest(0, used.input - used.cache_read - used.cache_write - used.cache_write_1h)::HUGEINT * bands.input
            + used.cache_read::HUGEINT * bands.cache_read + used.cache_write::HUGEINT * bands.cache_write
            + used.cache_write_1h::HUGEINT * bands.cache_write_1h + used.output::HUGEINT * bands.output
        ) ELSE used.cost_nano END AS cost_nano
    FROM used
    JOIN (SELECT DISTINCT * EXCLUDE (provider, model, factor) FROM card) AS bands
        ON bands.provider_now = used.provider_now AND bands.model_now = used.model_now
        AND used.input > bands.above AND used.input <= bands.upto
)
SELECT automation, sum(cost_nano)::BIGINT AS cost_nano FROM billed GROUP BY automation
