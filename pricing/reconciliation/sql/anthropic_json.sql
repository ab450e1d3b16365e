-- Pages of GET /v1/organizations/cost_report (amounts are cents) and /usage_report/messages, as one object, a list or
-- one per line.
INSERT INTO staged
WITH pages AS (
    SELECT unnest(data) AS bucket
    FROM read_json(
        $path,
        columns = {data: 'STRUCT(starting_at VARCHAR, ending_at VARCHAR, results STRUCT(
            amount VARCHAR, currency VARCHAR, description VARCHAR, cost_type VARCHAR, token_type VARCHAR, model VARCHAR,
            service_tier VARCHAR, workspace_id VARCHAR, uncached_input_tokens BIGINT, cache_read_input_tokens BIGINT,
            cache_creation STRUCT(ephemeral_5m_input_tokens BIGINT, ephemeral_1h_input_tokens BIGINT),
            output_tokens BIGINT)[])[]'},
        maximum_object_size = 4294967295
    )
),
lines AS (
    SELECT bucket.starting_at AS begins, bucket.ending_at AS ends, unnest(bucket.results) AS line FROM pages
),
numbered AS (
    SELECT row_number() OVER () + (SELECT coalesce(max(row), 0) FROM staged) AS row, begins, ends, line FROM lines
),
costs AS (
    SELECT
        row, 'cost' AS measure,
        coalesce(line.model, line.description, '')
            || ', ' || coalesce(line.token_type, line.cost_type, '')
            || coalesce(', ' || line.service_tier, '') AS item,
        NULL::VARCHAR AS service_tier, NULL::VARCHAR AS kind,
        CASE WHEN line.amount::DECIMAL(38, 12) < 0 THEN 'credit' ELSE 'usage' END AS charge,
        NULL::DECIMAL(38, 3) AS tokens, line.amount::DECIMAL(38, 12) / 100 AS amount, line.currency
    FROM numbered
    WHERE line.amount IS NOT NULL
),
used AS (
    SELECT
        row, 'usage' AS measure, coalesce(line.model, '') || ', ' || coalesce(line.service_tier, 'standard') AS item,
        NULL AS service_tier, counted.kind, 'usage' AS charge, counted.tokens, NULL AS amount, 'usd' AS currency
    FROM numbered, LATERAL (
        VALUES
            ('input', line.uncached_input_tokens),
            ('cache_read', line.cache_read_input_tokens),
            ('cache_write', line.cache_creation.ephemeral_5m_input_tokens),
            ('cache_write_1h', line.cache_creation.ephemeral_1h_input_tokens),
            ('output', line.output_tokens)
    ) AS counted (kind, tokens)
    WHERE line.amount IS NULL AND line.output_tokens IS NOT NULL
)
SELECT
    row, measure, left(begins, 10)::DATE, greatest(1, left(ends, 10)::DATE - left(begins, 10)::DATE)::INTEGER,
    line.workspace_id, item, service_tier, kind, charge, tokens, NULL, amount, currency
FROM (FROM costs UNION ALL BY NAME FROM used)
JOIN numbered USING (row);
