-- The runs whose id is, or begins with, what was asked for; an exact one first.
SELECT run_id, lower(run_id) = $asked AS exact
FROM run_totals
WHERE starts_with(lower(run_id), $asked)
ORDER BY exact DESC, started_at DESC, seq DESC
LIMIT $limit
