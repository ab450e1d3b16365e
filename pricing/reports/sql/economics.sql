-- The newest runs of an automation at one quality that were begun and have ended in a period: what each cost, whether
-- its outcome was reached, and whose it was. Those refused at the gate cost nothing and sold nothing.
SELECT
    cost_nano, outcome = 'completed' AS earned, coalesce('org:' || org_id, 'user:' || user_id) AS owner, ended_at
FROM run_totals
WHERE automation = $automation AND quality = $quality AND stand_in = $stand_in AND held_nano > 0
    AND ended_at >= $since AND ended_at < $until
ORDER BY ended_at DESC
LIMIT $newest
