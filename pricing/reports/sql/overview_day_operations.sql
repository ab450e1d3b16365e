-- Grouped by quarters of an hour first: a day begins at one, wherever it begins.
WITH days AS (
    SELECT unnest($midnights::BIGINT[]) AS begins
),
quarters AS (
    SELECT stand_in, operation, started_at // 900000000 * 900000000 AS quarter, sum(cost_nano)::BIGINT AS cost_nano
    FROM chosen_costs
    GROUP BY ALL
)
SELECT stand_in, operation, days.begins AS day, sum(cost_nano)::BIGINT AS cost_nano
FROM quarters
ASOF JOIN days ON quarter >= days.begins
GROUP BY ALL
