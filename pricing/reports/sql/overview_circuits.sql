-- Which targets were left alone because they had failed: how often, for what, and for how long in all. A circuit closes
-- when its target answered again; one that has not is left alone until `open_until`.
WITH told AS (
    SELECT
        target, event, reason, level, open_until, happened_at,
        lead(happened_at) OVER (PARTITION BY target ORDER BY seq) AS next_at
    FROM circuit_events
    WHERE happened_at < getvariable('until')
)
SELECT
    target,
    count(*) FILTER (WHERE event = 'opened') AS opened,
    arg_max(reason, happened_at) FILTER (WHERE event = 'opened') AS reason,
    max(happened_at) FILTER (WHERE event = 'opened') AS last_at,
    coalesce(sum(least(open_until, coalesce(next_at, open_until)) - happened_at)
        FILTER (WHERE event = 'opened' AND open_until > happened_at), 0)::BIGINT AS away_us
FROM told
WHERE happened_at >= getvariable('since')
GROUP BY target
HAVING count(*) FILTER (WHERE event = 'opened') > 0
ORDER BY opened DESC, target
