SELECT run_id
FROM run_totals
WHERE jaro_winkler_similarity(lower(run_id), $asked) >= $similar
ORDER BY jaro_winkler_similarity(lower(run_id), $asked) DESC, seq DESC
LIMIT $limit
