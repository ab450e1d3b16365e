SELECT turn_id, sum(latency_us)::BIGINT AS latency_us
FROM guard_decisions
WHERE run_id = $run_id AND turn_id IS NOT NULL
GROUP BY turn_id
