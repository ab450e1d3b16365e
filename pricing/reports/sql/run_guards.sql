SELECT guard, action, reason, mode, count(*) AS events
FROM guard_decisions
WHERE run_id = $run_id AND action <> 'allow'
GROUP BY ALL
ORDER BY events DESC, guard, action, reason, mode
