SELECT
    stand_in, outcome, sum(runs)::BIGINT AS runs, sum(cost_nano)::BIGINT AS spent_nano,
    coalesce(sum(charged_nano), 0)::BIGINT AS charged_nano
FROM chosen_totals
GROUP BY ALL
ORDER BY runs DESC, outcome
