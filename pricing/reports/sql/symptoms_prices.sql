-- Since when each automation has had the price it has now, and at which rate card it got it.
WITH priced AS (
    SELECT
        stand_in, automation, quality, started_at, rate_version,
        coalesce(price_credits, -1) AS credits, coalesce(price_nano, -1) AS nano
    FROM runs
    WHERE price_nano IS NOT NULL OR price_credits IS NOT NULL
),
now_priced AS (
    SELECT stand_in, automation, arg_max(credits, started_at) AS credits, arg_max(nano, started_at) AS nano
    FROM priced
    GROUP BY ALL
),
changed AS (
    SELECT stand_in, automation, max(priced.started_at) AS at
    FROM priced
    JOIN now_priced USING (stand_in, automation)
    WHERE CASE WHEN now_priced.credits >= 0 THEN priced.credits <> now_priced.credits
        ELSE priced.nano <> now_priced.nano END
    GROUP BY ALL
)
SELECT
    stand_in, automation,
    min(priced.started_at) AS since,
    arg_min(priced.rate_version, priced.started_at) AS rate_version
FROM priced
LEFT JOIN changed USING (stand_in, automation)
WHERE changed.at IS NULL OR priced.started_at > changed.at
GROUP BY ALL
