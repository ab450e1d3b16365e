-- A quote covered a run that was completed for its p95 or less. `unpriced` outcomes were reached and have no price.
SELECT
    stand_in,
    sum(runs)::BIGINT AS runs,
    coalesce(sum(runs) FILTER (WHERE refused), 0)::BIGINT AS refused,
    sum(attempts)::BIGINT AS attempts,
    sum(cost_nano)::BIGINT AS spent_nano,
    sum(stand_in_nano)::BIGINT AS stand_in_nano,
    coalesce(sum(runs) FILTER (WHERE outcome = 'completed'), 0)::BIGINT AS completed,
    coalesce(
        sum(runs) FILTER (WHERE outcome = 'completed' AND NOT starts_with(automation, 'ad-hoc:')), 0
    )::BIGINT AS quoted,
    coalesce(sum(covered) FILTER (WHERE NOT starts_with(automation, 'ad-hoc:')), 0)::BIGINT AS covered,
    coalesce(sum(runs) FILTER (WHERE outcome = 'over_budget' AND NOT refused), 0)::BIGINT AS stopped,
    sum(unpriced)::BIGINT AS unpriced,
    coalesce(sum(charged_nano), 0)::BIGINT AS charged_nano
FROM chosen_totals
GROUP BY stand_in
