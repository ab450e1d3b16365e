-- The runs whose id ends with what was asked for.
SELECT run_id
FROM run_totals
WHERE ends_with(lower(run_id), $asked)
ORDER BY started_at DESC, seq DESC
LIMIT $limit
