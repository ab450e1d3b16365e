-- Turns whose answers guards had something against, since a time: whether any of it stands, and whether a person found
-- what the judge had against the answer wrong. A finding about a repaired answer says nothing of the one that was given.
WITH found AS (
    SELECT decision, arg_max(verdict, seq) AS verdict FROM guard_reviews GROUP BY decision
)
SELECT
    d.turn_id,
    bool_or(coalesce(f.verdict, '') <> 'wrong') AS stands,
    bool_or(d.guard = $judge AND d.action = 'block' AND f.verdict = 'wrong') AS approved
FROM guard_decisions AS d
LEFT JOIN found AS f ON f.decision = d.seq
WHERE d.decided_at >= $since
    AND d.direction = 'output'
    AND d.action IN ('block', 'retry')
    AND d.turn_id IS NOT NULL
GROUP BY d.turn_id
