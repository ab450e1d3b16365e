SELECT
    stand_in, day, count(*) AS runs, sum(cost_nano)::BIGINT AS spent_nano,
    coalesce(sum(charged_nano), 0)::BIGINT AS charged_nano
FROM chosen_runs
JOIN quarters ON quarter = started_at // 900000000
GROUP BY stand_in, day
ORDER BY day
