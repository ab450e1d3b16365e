SELECT turn_id, guard, version, mode, direction, action, reason, latency_us, cost_nano, spans, decided_at
FROM guard_decisions
WHERE run_id = $run_id AND turn_id IS NOT NULL
ORDER BY decided_at, seq
