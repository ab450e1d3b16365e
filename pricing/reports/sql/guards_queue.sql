-- Decisions that stopped or changed something and that nobody has looked at, newest first.
SELECT seq AS decision, run_id, operation, guard, version, mode, direction, action, reason, spans, facts, turn_id,
    decided_at
FROM guard_decisions
WHERE action <> 'allow'
    AND ($guard IS NULL OR guard = $guard)
    AND seq NOT IN (SELECT decision FROM guard_reviews)
ORDER BY decided_at DESC, seq DESC
LIMIT $most
