SELECT attempt_id, reason, cost_delta_nano, recorded_at
FROM adjustments
WHERE run_id = $run_id
ORDER BY recorded_at, seq
