-- Each guard as it was in each version and mode: what it decided, what that took, what people found of it.
WITH found AS (
    SELECT decision, arg_max(verdict, seq) AS verdict FROM guard_reviews GROUP BY decision
)
SELECT
    d.guard, d.version, d.mode, d.direction,
    count(*) AS decisions,
    count(*) FILTER (WHERE d.action = 'block') AS blocked,
    count(*) FILTER (WHERE d.action = 'redact') AS redacted,
    count(*) FILTER (WHERE d.action = 'retry') AS retried,
    count(*) FILTER (WHERE d.reason = 'guard_error') AS failed,
    quantile_disc(d.latency_us, 0.5) AS p50_us,
    quantile_disc(d.latency_us, 0.95) AS p95_us,
    CAST(sum(d.cost_nano) AS BIGINT) AS cost_nano,
    count(f.verdict) AS reviewed,
    count(*) FILTER (WHERE f.verdict = 'wrong') AS wrong
FROM guard_decisions AS d
LEFT JOIN found AS f ON f.decision = d.seq
WHERE d.decided_at >= $since
GROUP BY d.guard, d.version, d.mode, d.direction
ORDER BY d.direction, d.guard, d.version, d.mode
