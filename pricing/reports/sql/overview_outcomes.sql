SELECT
    stand_in, outcome, count(*) AS runs, sum(cost_nano)::BIGINT AS spent_nano,
    coalesce(sum(charged_nano), 0)::BIGINT AS charged_nano
FROM chosen_runs
GROUP BY ALL
ORDER BY runs DESC, outcome
