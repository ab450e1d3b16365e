-- GET /api/v1/activity: a line per day, model and endpoint.
INSERT INTO staged
WITH lines AS (
    SELECT unnest(data) AS line
    FROM read_json(
        $path,
        columns = {data: 'STRUCT(date VARCHAR, model VARCHAR, usage VARCHAR, requests BIGINT, prompt_tokens BIGINT,
            completion_tokens BIGINT)[]'},
        maximum_object_size = 4294967295
    )
),
numbered AS (
    SELECT row_number() OVER () + (SELECT coalesce(max(row), 0) FROM staged) AS row, line FROM lines
)
SELECT
    row, told.measure, left(line.date, 10)::DATE, 1, NULL, line.model, NULL, told.kind,
    CASE WHEN line.usage::DECIMAL(38, 12) < 0 THEN 'credit' ELSE 'usage' END, told.tokens, told.requests, told.amount,
    'USD'
FROM numbered, LATERAL (
    VALUES
        ('cost', 'all', NULL, line.requests, line.usage::DECIMAL(38, 12)),
        ('usage', 'input', line.prompt_tokens, NULL, NULL),
        ('usage', 'output', line.completion_tokens, NULL, NULL)
) AS told (measure, kind, tokens, requests, amount);
