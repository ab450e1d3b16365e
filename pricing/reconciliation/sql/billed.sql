-- The lines of an export with what their items are; a kind or a tier that the line itself names comes first.
CREATE TEMP TABLE billed AS
SELECT
    row, measure, day, days, coalesce(account, '') AS account,
    coalesce(items.key, '') AS model, coalesce(items.model, '') AS model_name,
    coalesce(staged.service_tier, items.service_tier, 'standard') AS service_tier,
    coalesce(staged.kind, items.kind, 'all') AS kind,
    charge, tokens, requests, amount
FROM staged
LEFT JOIN items USING (item);
