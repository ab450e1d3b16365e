-- Decisions that stopped or changed something and that nobody has looked at, newest first; none is older than the day
-- from which on there are enough of them.
SELECT seq AS decision, run_id, operation, guard, version, mode, direction, action, reason, spans, facts, turn_id,
    decided_at
FROM guard_decisions
WHERE decided_at >= $since
    AND action <> 'allow'
    AND ($guard IS NULL OR guard = $guard)
    AND seq NOT IN (SELECT decision FROM guard_reviews)
ORDER BY decided_at DESC, seq DESC
LIMIT $most
