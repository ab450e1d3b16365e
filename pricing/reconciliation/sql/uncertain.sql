-- The attempts whose cost is not known from usage: estimates, those that got no answer, and those in flight at midnight.
SELECT
    (started_at // 86400000000)::BIGINT AS day,
    ((started_at + duration_us) // 86400000000)::BIGINT AS after,
    account, model, coalesce(service_tier, 'standard') AS service_tier, attempt_id, run_id, operation, priced, cost_nano, worst_nano
FROM costs
WHERE provider = $provider AND kind = 'model' AND NOT stand_in
    AND started_at >= $since AND started_at < $until
    AND (priced IN ('worst_case', 'billed') OR (priced = 'unbilled' AND outcome <> 'ok')
        OR (started_at + duration_us) // 86400000000 > started_at // 86400000000)
ORDER BY started_at, attempt_id
