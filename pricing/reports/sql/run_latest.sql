SELECT run_id FROM runs ORDER BY started_at DESC, seq DESC LIMIT $limit
