-- The models, their service tiers, and the UTC days, whose rates the export needs.
SELECT DISTINCT provider, model, coalesce(service_tier, 'standard') AS service_tier,
    (started_at // 86400000000)::BIGINT AS day
FROM attempts
WHERE NOT stand_in AND priced = 'usage' AND started_at >= $since AND started_at < $until
ORDER BY ALL
