-- What was billed by day, account, model and service tier, by kind of token. Usage lines, where there are any, say how
-- many tokens; else the cost lines do. `lines` are the numbers of the first lines behind it.
SELECT
    day, days, account, model, any_value(model_name) AS model_name, service_tier, kind, charge,
    coalesce(sum(tokens) FILTER (WHERE measure = 'usage'), sum(tokens) FILTER (WHERE measure = 'cost'))::DOUBLE AS tokens,
    coalesce(sum(requests) FILTER (WHERE measure = 'usage'), sum(requests))::BIGINT AS requests,
    sum(amount) AS amount,
    count(*) FILTER (WHERE measure = 'cost')::BIGINT AS rows,
    list_sort(min(row, 20) FILTER (WHERE measure = 'cost')) AS lines
FROM billed
GROUP BY ALL
ORDER BY ALL
