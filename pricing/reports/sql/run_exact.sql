SELECT run_id FROM run_totals WHERE run_id = $asked LIMIT 1
