-- What guards did other than allow, and what people found of it.
WITH found AS (
    SELECT decision, arg_max(verdict, seq) AS verdict FROM guard_reviews GROUP BY decision
),
looked_at AS (
    SELECT
        chosen_runs.stand_in, d.guard, d.mode, d.action, d.reason,
        count(*) AS reviewed, count(*) FILTER (WHERE found.verdict = 'wrong') AS wrong
    FROM found
    JOIN guard_decisions AS d ON d.seq = found.decision
    JOIN chosen_runs ON chosen_runs.run_id = d.run_id
    GROUP BY ALL
),
done AS (
    SELECT stand_in, guard, mode, action, reason, sum(times)::BIGINT AS times FROM chosen_guards GROUP BY ALL
)
SELECT done.*, coalesce(reviewed, 0) AS reviewed, coalesce(wrong, 0) AS wrong
FROM done
LEFT JOIN looked_at
    ON (looked_at.stand_in, looked_at.guard, looked_at.mode, looked_at.action) = (done.stand_in, done.guard, done.mode, done.action)
    AND looked_at.reason IS NOT DISTINCT FROM done.reason
ORDER BY times DESC, guard, mode, action, reason
