-- What the outcomes of a month earned: by when they ended.
SELECT
    owners.automation, owners.org_id, owners.user_id,
    count(*) FILTER (WHERE settlements.outcome = 'completed')::BIGINT AS outcomes,
    coalesce(sum(settlements.charged_nano), 0)::BIGINT AS charged_nano,
    coalesce(sum(settlements.charged_credits), 0)::BIGINT AS charged_credits
FROM settlements
JOIN (FROM runs QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY seq) = 1) AS owners USING (run_id)
WHERE NOT settlements.stand_in AND settlements.ended_at >= $begins AND settlements.ended_at < $ends
GROUP BY ALL
ORDER BY ALL
