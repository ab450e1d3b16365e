-- Every attempt as it stands after later findings: cost_nano, priced and the tokens are the corrected ones.
CREATE OR REPLACE TEMP MACRO corrected(attempts, adjustments) AS TABLE
SELECT
    a.* REPLACE (
        (a.cost_nano + coalesce(c.delta_nano, 0))::BIGINT AS cost_nano,
        coalesce(c.input_tokens, a.input_tokens) AS input_tokens,
        coalesce(c.output_tokens, a.output_tokens) AS output_tokens,
        coalesce(c.cache_read_tokens, a.cache_read_tokens) AS cache_read_tokens,
        coalesce(c.cache_write_tokens, a.cache_write_tokens) AS cache_write_tokens,
        coalesce(c.cache_write_1h_tokens, a.cache_write_1h_tokens) AS cache_write_1h_tokens,
        coalesce(c.reasoning_tokens, a.reasoning_tokens) AS reasoning_tokens,
        CASE
            WHEN c.attempt_id IS NULL THEN a.priced
            WHEN c.input_tokens IS NOT NULL AND c.output_tokens IS NOT NULL THEN 'usage'
            WHEN a.cost_nano + c.delta_nano = 0 THEN 'unbilled'
            WHEN c.billed THEN 'billed'
            ELSE a.priced
        END AS priced
    )
FROM query_table(attempts) AS a
LEFT JOIN (
    SELECT
        attempt_id,
        sum(cost_delta_nano) AS delta_nano,
        bool_or(reconciliation_id IS NOT NULL) AS billed,
        max_by(input_tokens, seq) AS input_tokens,
        max_by(output_tokens, seq) AS output_tokens,
        max_by(cache_read_tokens, seq) AS cache_read_tokens,
        max_by(cache_write_tokens, seq) AS cache_write_tokens,
        max_by(cache_write_1h_tokens, seq) AS cache_write_1h_tokens,
        max_by(reasoning_tokens, seq) AS reasoning_tokens
    FROM query_table(adjustments)
    GROUP BY attempt_id
) AS c ON c.attempt_id = a.attempt_id;

CREATE OR REPLACE TEMP VIEW costs AS FROM corrected('attempts', 'adjustments');
