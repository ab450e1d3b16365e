-- What an organisation's runs that ended in a period came to, by automation. Credits that users paid from wallets of their
-- own are apart; runs without an outcome charge nothing.
SELECT
    owners.automation,
    count(*) FILTER (WHERE settlements.outcome = 'completed')::BIGINT AS outcomes,
    count(*) FILTER (WHERE settlements.outcome <> 'completed')::BIGINT AS not_charged,
    coalesce(sum(charged_nano), 0)::BIGINT AS charged_nano,
    coalesce(sum(charged_credits) FILTER (WHERE wallet = 'org:' || $org), 0)::BIGINT AS credits,
    coalesce(sum(charged_credits) FILTER (WHERE wallet <> 'org:' || $org), 0)::BIGINT AS credits_of_users,
    coalesce(sum(spent_nano), 0)::BIGINT AS cost_nano
FROM settlements
JOIN (FROM runs QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY seq) = 1) AS owners USING (run_id)
WHERE owners.org_id = $org AND NOT settlements.stand_in AND ended_at >= $begins AND ended_at < $ends
GROUP BY ALL
ORDER BY charged_nano DESC, automation
