SELECT run_id
FROM runs
WHERE jaro_winkler_similarity(lower(run_id), $asked) >= $similar
ORDER BY jaro_winkler_similarity(lower(run_id), $asked) DESC, seq DESC
LIMIT $limit
