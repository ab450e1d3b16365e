SELECT stand_in, operation, day, sum(cost_nano)::BIGINT AS cost_nano
FROM chosen_moments
JOIN quarters ON quarter = started_at // 900000000
WHERE operation IS NOT NULL
GROUP BY ALL
ORDER BY day, operation
