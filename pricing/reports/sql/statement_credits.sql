-- An organisation's wallet: what moved in a period, and what it had (held credits included) when that began.
SELECT
    coalesce(sum(CASE WHEN recorded_at < $begins THEN change END), 0)::BIGINT AS opening,
    coalesce(sum(credits) FILTER (WHERE mine AND debit = 'issued'), 0)::BIGINT AS granted,
    coalesce(sum(credits) FILTER (WHERE mine AND debit = 'rolled_over'), 0)::BIGINT AS carried_over,
    coalesce(sum(credits) FILTER (WHERE mine AND credit = 'charged'), 0)::BIGINT AS charged,
    coalesce(sum(credits) FILTER (WHERE mine AND debit = 'held' AND credit = 'available'), 0)::BIGINT AS given_back,
    coalesce(sum(credits) FILTER (WHERE mine AND credit IN ('expired', 'rolled_over')), 0)::BIGINT AS expired,
    coalesce(sum(change), 0)::BIGINT AS closing,
    count(*)::BIGINT AS entries
FROM (
    SELECT
        *, recorded_at >= $begins AS mine,
        CASE WHEN credit = 'available' AND debit <> 'held' THEN credits
            WHEN credit IN ('charged', 'expired', 'rolled_over') THEN -credits ELSE 0 END AS change
    FROM credit_entries
    WHERE wallet_id = 'org:' || $org AND recorded_at < $ends
)
