-- The same by operation, for the budgets of operations.
SELECT
    started_at // 900000000 * 900000000 AS quarter, operation, sum(cost_nano)::BIGINT AS cost_nano
FROM run_costs
WHERE started_at >= $since AND stand_in = $stand_in
GROUP BY ALL
ORDER BY ALL
