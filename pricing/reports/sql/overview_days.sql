SELECT
    stand_in, day, sum(runs)::BIGINT AS runs, sum(cost_nano)::BIGINT AS spent_nano,
    coalesce(sum(charged_nano), 0)::BIGINT AS charged_nano
FROM chosen_moments
JOIN quarters ON quarter = started_at // 900000000
WHERE operation IS NULL
GROUP BY stand_in, day
ORDER BY day
