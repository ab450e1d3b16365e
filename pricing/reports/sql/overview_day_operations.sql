SELECT stand_in, operation, day, sum(cost_nano)::BIGINT AS cost_nano
FROM chosen_costs
JOIN quarters ON quarter = started_at // 900000000
GROUP BY ALL
