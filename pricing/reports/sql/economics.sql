-- The newest runs of an automation at one quality that were begun and have ended: what each cost, and whether its
-- outcome was reached. Those refused at the gate cost nothing and sold nothing.
SELECT cost_nano, outcome = 'completed' AS earned
FROM run_totals
WHERE automation = $automation AND quality = $quality AND stand_in = $stand_in AND held_nano > 0
ORDER BY ended_at DESC
LIMIT $newest
