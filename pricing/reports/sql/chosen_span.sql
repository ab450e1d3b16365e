-- When the first and the last run of the period began.
SELECT min(started_at) AS first, max(started_at) AS last FROM chosen_runs
