SELECT run_id FROM run_totals ORDER BY started_at DESC, seq DESC LIMIT $limit
