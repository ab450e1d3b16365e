-- Pages of GET /v1/organization/costs and of /usage/completions, as one object, a list or one per line.
INSERT INTO staged
WITH pages AS (
    SELECT unnest(data) AS bucket
    FROM read_json(
        $path,
        columns = {data: 'STRUCT(start_time BIGINT, end_time BIGINT, results STRUCT(
            amount STRUCT("value" VARCHAR, currency VARCHAR), line_item VARCHAR, quantity VARCHAR, quantity_unit VARCHAR,
            project_id VARCHAR, model VARCHAR, batch BOOLEAN, service_tier VARCHAR, num_model_requests BIGINT,
            input_tokens BIGINT, input_cached_tokens BIGINT, input_cache_write_tokens BIGINT, output_tokens BIGINT)[])[]'},
        maximum_object_size = 4294967295
    )
),
lines AS (
    SELECT bucket.start_time AS begins, bucket.end_time AS ends, unnest(bucket.results) AS line FROM pages
),
numbered AS (
    SELECT row_number() OVER () + (SELECT coalesce(max(row), 0) FROM staged) AS row, begins, ends, line FROM lines
),
costs AS (
    SELECT
        row, 'cost' AS measure, line.line_item AS item, NULL::VARCHAR AS service_tier, NULL::VARCHAR AS kind,
        CASE WHEN line.amount."value"::DECIMAL(38, 12) < 0 THEN 'credit' ELSE 'usage' END AS charge,
        CASE WHEN line.quantity_unit ILIKE '%token%' THEN line.quantity::DECIMAL(38, 3) * CASE
            WHEN line.quantity_unit ILIKE '1000000%' OR line.quantity_unit ILIKE '1m%' THEN 1000000
            WHEN line.quantity_unit ILIKE '1000%' OR line.quantity_unit ILIKE '1k%' THEN 1000
            ELSE 1
        END END AS tokens,
        NULL::BIGINT AS requests, line.amount."value"::DECIMAL(38, 12) AS amount, line.amount.currency AS currency
    FROM numbered
    WHERE line.amount IS NOT NULL
),
used AS (
    SELECT
        row, 'usage' AS measure, line.model AS item,
        CASE WHEN line.batch THEN 'batch' WHEN line.service_tier IN ('flex', 'priority') THEN line.service_tier
            ELSE 'standard' END AS service_tier,
        counted.kind, 'usage' AS charge, counted.tokens, counted.requests, NULL AS amount, 'usd' AS currency
    FROM numbered, LATERAL (
        VALUES
            ('input', line.input_tokens - coalesce(line.input_cached_tokens, 0)
                - coalesce(line.input_cache_write_tokens, 0), line.num_model_requests),
            ('cache_read', line.input_cached_tokens, NULL),
            ('cache_write', line.input_cache_write_tokens, NULL),
            ('output', line.output_tokens, NULL)
    ) AS counted (kind, tokens, requests)
    WHERE line.amount IS NULL AND line.model IS NOT NULL
)
SELECT
    row, measure, make_timestamp(begins * 1000000)::DATE,
    greatest(1, round((ends - begins) / 86400))::INTEGER, line.project_id, item, service_tier, kind, charge, tokens,
    requests, amount, currency
FROM (FROM costs UNION ALL BY NAME FROM used)
JOIN numbered USING (row);
