SELECT
    stand_in, outcome, count(*) AS runs, sum(spent_nano)::BIGINT AS spent_nano,
    coalesce(sum(charged_nano), 0)::BIGINT AS charged_nano
FROM picked
GROUP BY ALL
ORDER BY runs DESC, outcome
