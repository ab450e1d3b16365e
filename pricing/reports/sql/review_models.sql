-- Which models, at which service tiers, and which paid tools were used, by automation and quality.
SELECT kind, automation, quality, provider, model, service_tier, count(*) AS attempts, sum(cost_nano)::BIGINT AS cost_nano
FROM review_usage
GROUP BY ALL
ORDER BY automation, quality, provider, model, service_tier
