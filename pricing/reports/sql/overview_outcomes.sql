-- Runs that are suspended are counted as such, whatever cells count them as.
WITH open AS (
    SELECT stand_in, outcome, count(*) AS runs, sum(cost_nano) AS cost_nano, sum(charged_nano) AS charged_nano
    FROM chosen_runs
    WHERE run_id IN (SELECT unnest(from_json($suspended, '["VARCHAR"]')))
    GROUP BY ALL
),
counted AS (
    SELECT stand_in, outcome, runs, cost_nano, charged_nano FROM chosen_totals
    UNION ALL
    SELECT stand_in, outcome, -runs, -cost_nano, -charged_nano FROM open
    UNION ALL
    SELECT stand_in, 'suspended', runs, cost_nano, charged_nano FROM open
)
SELECT
    stand_in, outcome, sum(runs)::BIGINT AS runs, sum(cost_nano)::BIGINT AS spent_nano,
    coalesce(sum(charged_nano), 0)::BIGINT AS charged_nano
FROM counted
GROUP BY ALL
HAVING sum(runs) > 0
ORDER BY runs DESC, outcome
