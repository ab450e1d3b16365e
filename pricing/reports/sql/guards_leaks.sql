-- Leaks that were stopped, taken out, or seen in shadow; newest first.
SELECT seq AS decision, run_id, operation, guard, mode, action, reason, spans, decided_at
FROM guard_decisions
WHERE reason = 'leak' AND decided_at >= $since
ORDER BY decided_at DESC, seq DESC
LIMIT $most
