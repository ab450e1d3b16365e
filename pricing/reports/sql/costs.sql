-- Every attempt as it stands after later findings: cost_nano and tokens are the corrected ones.
CREATE TEMP VIEW costs AS
SELECT
    a.* REPLACE (
        a.cost_nano + coalesce(c.delta_nano, 0) AS cost_nano,
        coalesce(c.input_tokens, a.input_tokens) AS input_tokens,
        coalesce(c.output_tokens, a.output_tokens) AS output_tokens,
        coalesce(c.cache_read_tokens, a.cache_read_tokens) AS cache_read_tokens,
        CASE
            WHEN c.attempt_id IS NULL THEN a.priced
            WHEN c.input_tokens IS NOT NULL AND c.output_tokens IS NOT NULL THEN 'usage'
            WHEN a.cost_nano + c.delta_nano = 0 THEN 'unbilled'
            ELSE a.priced
        END AS priced
    )
FROM attempts AS a
LEFT JOIN (
    SELECT
        attempt_id,
        sum(cost_delta_nano) AS delta_nano,
        max_by(input_tokens, seq) AS input_tokens,
        max_by(output_tokens, seq) AS output_tokens,
        max_by(cache_read_tokens, seq) AS cache_read_tokens
    FROM adjustments
    GROUP BY attempt_id
) AS c ON c.attempt_id = a.attempt_id
