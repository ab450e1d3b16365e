-- Cost and Usage Report 2.0: the lines of Bedrock, also where a model is sold through the marketplace.
INSERT INTO staged
SELECT
    row_number() OVER () + (SELECT coalesce(max(row), 0) FROM staged), 'cost',
    left(line_item_usage_start_date::VARCHAR, 10)::DATE, 1,
    line_item_usage_account_id::VARCHAR, line_item_usage_type, NULL, NULL,
    CASE
        WHEN line_item_line_item_type IN ('Credit', 'Refund') THEN 'credit'
        WHEN line_item_line_item_type ILIKE '%Discount%' THEN 'discount'
        WHEN line_item_line_item_type = 'Tax' THEN 'tax'
        ELSE 'usage'
    END,
    CASE WHEN line_item_line_item_type = 'Usage' THEN line_item_usage_amount::DECIMAL(38, 9) * CASE
        WHEN pricing_unit ILIKE '%1M%' OR pricing_unit ILIKE '%million%' THEN 1000000
        WHEN pricing_unit ILIKE '%1K%' OR pricing_unit ILIKE '%thousand%' THEN 1000
        ELSE 1
    END END,
    NULL, line_item_unblended_cost::DECIMAL(38, 12), line_item_currency_code
FROM {lines}
WHERE line_item_product_code = 'AmazonBedrock' OR regexp_matches(line_item_usage_type, '(?i)-(input|output)-token|cache-(read|write)');
