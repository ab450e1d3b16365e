-- What guards did other than allow, and what people found of it.
WITH found AS (
    SELECT decision, arg_max(verdict, seq) AS verdict FROM guard_reviews GROUP BY decision
)
SELECT
    chosen_runs.stand_in, d.guard, d.mode, d.action, d.reason, count(*) AS times,
    count(found.verdict) AS reviewed, count(*) FILTER (WHERE found.verdict = 'wrong') AS wrong
FROM guard_decisions AS d
JOIN chosen_runs ON chosen_runs.run_id = d.run_id
LEFT JOIN found ON found.decision = d.seq
WHERE d.action <> 'allow'
GROUP BY ALL
ORDER BY times DESC, guard, mode, action, reason
