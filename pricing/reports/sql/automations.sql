SELECT automation FROM run_totals GROUP BY automation ORDER BY max(started_at) DESC
