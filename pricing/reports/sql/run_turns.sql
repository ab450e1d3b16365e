SELECT turn_id, operation, outcome, reason, target, repaired, saved_nano, started_at, duration_us
FROM turns
WHERE run_id = $run_id
