SELECT automation FROM runs GROUP BY automation ORDER BY max(started_at) DESC
