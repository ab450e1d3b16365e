-- A quote covered a run that was completed for its p95 or less. `unpriced` outcomes were reached and have no price.
SELECT
    stand_in,
    count(*) AS runs,
    count(*) FILTER (WHERE refused) AS refused,
    sum(attempts)::BIGINT AS attempts,
    sum(cost_nano)::BIGINT AS spent_nano,
    sum(stand_in_nano)::BIGINT AS stand_in_nano,
    count(*) FILTER (WHERE outcome = 'completed') AS completed,
    count(*) FILTER (WHERE outcome = 'completed' AND cost_nano <= p95_nano) AS covered,
    count(*) FILTER (WHERE outcome = 'over_budget' AND NOT refused) AS stopped,
    count(*) FILTER (WHERE outcome = 'completed' AND charged_nano IS NULL) AS unpriced,
    coalesce(sum(charged_nano), 0)::BIGINT AS charged_nano
FROM chosen_runs
GROUP BY stand_in
