-- Each guard as it was in each version and mode: what it decided, what that took, what people found of it. A day's
-- decisions are counted already; what is left of the day that the period begins in is read from the decisions.
WITH counted AS (
    SELECT * FROM day_decisions WHERE day >= $since
    UNION ALL BY NAME
    SELECT guard, version, mode, direction, action, reason, latency_us, 1 AS decisions, cost_nano
    FROM guard_decisions
    WHERE decided_at >= $since AND decided_at < ($since + 86399999999) // 86400000000 * 86400000000
),
summed AS (
    SELECT
        guard, version, mode, direction,
        sum(decisions) AS decisions,
        coalesce(sum(decisions) FILTER (WHERE action = 'block'), 0) AS blocked,
        coalesce(sum(decisions) FILTER (WHERE action = 'redact'), 0) AS redacted,
        coalesce(sum(decisions) FILTER (WHERE action = 'retry'), 0) AS retried,
        coalesce(sum(decisions) FILTER (WHERE reason = 'guard_error'), 0) AS failed,
        sum(cost_nano) AS cost_nano
    FROM counted
    GROUP BY ALL
),
ranked AS (
    SELECT
        guard, version, mode, direction, latency_us,
        sum(sum(decisions)) OVER (PARTITION BY guard, version, mode, direction ORDER BY latency_us) AS upto
    FROM counted
    GROUP BY guard, version, mode, direction, latency_us
),
took AS (
    SELECT
        guard, version, mode, direction,
        min(latency_us) FILTER (WHERE upto >= decisions - decisions * 50 // 100) AS p50_us,
        min(latency_us) FILTER (WHERE upto >= decisions - decisions * 5 // 100) AS p95_us
    FROM ranked
    JOIN summed USING (guard, version, mode, direction)
    GROUP BY ALL
),
found AS (
    SELECT decision, arg_max(verdict, seq) AS verdict FROM guard_reviews GROUP BY decision
),
looked_at AS (
    SELECT
        guard, version, mode, direction,
        count(*) AS reviewed, count(*) FILTER (WHERE found.verdict = 'wrong') AS wrong
    FROM found
    JOIN guard_decisions AS d ON d.seq = found.decision
    WHERE d.decided_at >= $since
    GROUP BY ALL
)
SELECT
    guard, version, mode, direction,
    decisions::BIGINT AS decisions, blocked::BIGINT AS blocked, redacted::BIGINT AS redacted, retried::BIGINT AS retried,
    failed::BIGINT AS failed, p50_us, p95_us, cost_nano::BIGINT AS cost_nano,
    coalesce(reviewed, 0) AS reviewed, coalesce(wrong, 0) AS wrong
FROM summed
JOIN took USING (guard, version, mode, direction)
LEFT JOIN looked_at USING (guard, version, mode, direction)
ORDER BY direction, guard, version, mode
