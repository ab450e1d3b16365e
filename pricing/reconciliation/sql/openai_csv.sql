-- The dashboard's export of costs: the API's fields, one line each.
INSERT INTO staged
SELECT
    row_number() OVER () + (SELECT coalesce(max(row), 0) FROM staged), 'cost',
    make_timestamp(start_time::BIGINT * 1000000)::DATE,
    greatest(1, round((end_time::BIGINT - start_time::BIGINT) / 86400))::INTEGER,
    project_id, line_item, NULL, NULL,
    CASE WHEN amount_value::DECIMAL(38, 12) < 0 THEN 'credit' ELSE 'usage' END, NULL, NULL,
    amount_value::DECIMAL(38, 12), amount_currency
FROM {lines};
