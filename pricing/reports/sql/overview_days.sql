SELECT
    stand_in, day, count(*) AS runs, sum(spent_nano)::BIGINT AS spent_nano,
    coalesce(sum(charged_nano), 0)::BIGINT AS charged_nano
FROM picked
GROUP BY stand_in, day
ORDER BY day
