-- Turns by the reason they were stopped for; budgets and context limits as well as guards.
SELECT coalesce(CASE WHEN outcome IN ('blocked', 'stopped') THEN reason END, '') AS reason, sum(turns)::BIGINT AS turns
FROM chosen_turns
GROUP BY 1
ORDER BY turns DESC, reason
