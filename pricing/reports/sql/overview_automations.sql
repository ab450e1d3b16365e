WITH summed AS (
    SELECT
        stand_in, automation,
        sum(runs)::BIGINT AS runs,
        coalesce(sum(runs) FILTER (WHERE refused), 0)::BIGINT AS refused,
        coalesce(sum(runs) FILTER (WHERE outcome = 'completed'), 0)::BIGINT AS outcomes,
        sum(unpriced)::BIGINT AS unpriced,
        sum(covered)::BIGINT AS covered,
        sum(cost_nano)::BIGINT AS spent_nano,
        coalesce(sum(cost_nano) FILTER (WHERE outcome NOT IN ('completed', 'running')), 0)::BIGINT AS unearned_nano,
        coalesce(sum(cost_nano) FILTER (WHERE outcome = 'running'), 0)::BIGINT AS open_nano,
        coalesce(sum(charged_nano), 0)::BIGINT AS charged_nano
    FROM chosen_totals
    GROUP BY stand_in, automation
)
SELECT summed.*, p50_nano, p95_nano, sample
FROM summed
LEFT JOIN spreads USING (stand_in, automation)
ORDER BY spent_nano DESC, automation
