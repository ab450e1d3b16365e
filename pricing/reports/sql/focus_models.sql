-- The models, and the UTC days, whose rates the export needs.
SELECT DISTINCT provider, model, (started_at // 86400000000)::BIGINT AS day
FROM attempts
WHERE NOT stand_in AND priced = 'usage' AND started_at >= $since AND started_at < $until
ORDER BY ALL
