SELECT turn_id, operation, outcome, reason, target, repaired, saved_nano, started_at, duration_us, route,
    coalesce(execution, 0) AS execution
FROM turns
WHERE run_id = $run_id
