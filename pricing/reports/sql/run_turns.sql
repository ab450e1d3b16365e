SELECT turn_id, operation, outcome, reason, target, repaired, started_at, duration_us
FROM turns
WHERE run_id = $run_id
