-- When the first and the last run of the period began.
SELECT min(started_at) AS first, max(started_at) AS last
FROM run_totals
WHERE ($automation IS NULL OR automation = $automation)
    AND ($since IS NULL OR started_at >= $since)
    AND ($until IS NULL OR started_at < $until)
