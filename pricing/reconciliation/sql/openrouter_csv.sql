-- The same as a file of lines.
INSERT INTO staged
WITH numbered AS (
    SELECT row_number() OVER () + (SELECT coalesce(max(row), 0) FROM staged) AS row, line
    FROM {lines} AS line
)
SELECT
    row, told.measure, left(line.date, 10)::DATE, 1, NULL, line.model, NULL, told.kind,
    CASE WHEN line.usage::DECIMAL(38, 12) < 0 THEN 'credit' ELSE 'usage' END, told.tokens, told.requests, told.amount,
    'USD'
FROM numbered, LATERAL (
    VALUES
        ('cost', 'all', NULL, line.requests::BIGINT, line.usage::DECIMAL(38, 12)),
        ('usage', 'input', line.prompt_tokens::BIGINT, NULL, NULL),
        ('usage', 'output', line.completion_tokens::BIGINT, NULL, NULL)
) AS told (measure, kind, tokens, requests, amount);
