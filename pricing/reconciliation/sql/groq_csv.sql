-- Invoice totals, typed from the invoice: start, end (the last day), amount, and model where the invoice names it.
INSERT INTO staged
SELECT
    row_number() OVER () + (SELECT coalesce(max(row), 0) FROM staged), 'cost',
    "start"::DATE, ("end"::DATE - "start"::DATE + 1)::INTEGER, NULL, nullif(trim(model), ''), NULL, 'all',
    CASE WHEN amount::DECIMAL(38, 12) < 0 THEN 'credit' ELSE 'usage' END, NULL, NULL, amount::DECIMAL(38, 12), 'USD'
FROM {lines};
