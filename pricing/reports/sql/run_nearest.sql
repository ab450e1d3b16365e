-- The runs among the newest 100,000 whose ids are most like what was asked for.
SELECT run_id
FROM run_totals
WHERE seq > (SELECT max(seq) - 100000 FROM run_totals)
    AND jaro_winkler_similarity(lower(run_id), $asked) >= $similar
ORDER BY jaro_winkler_similarity(lower(run_id), $asked) DESC, seq DESC
LIMIT $limit
