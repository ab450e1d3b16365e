-- The newest runs of an automation at one quality that were begun and have ended in a period: what each cost, whether
-- its outcome was reached, and whose it was. Those refused at the gate cost nothing and sold nothing. Imported ones are
-- models'; a sum of several counts as so many of their mean cost.
WITH ended AS (
    SELECT
        cost_nano, outcome = 'completed' AS earned, coalesce('org:' || org_id, 'user:' || user_id) AS owner, ended_at
    FROM run_totals
    WHERE automation = $automation AND quality = $quality AND stand_in = $stand_in AND held_nano > 0
        AND ended_at >= $since AND ended_at < $until
    UNION ALL
    SELECT
        round(cost_nano / runs)::BIGINT, outcome = 'completed', coalesce('org:' || org_id, 'user:' || user_id), ended_at
    FROM imported_runs, range(least(runs, $newest))
    WHERE automation = $automation AND quality = $quality AND NOT $stand_in
        AND ended_at >= $since AND ended_at < $until
)
FROM ended
ORDER BY ended_at DESC
LIMIT $newest
