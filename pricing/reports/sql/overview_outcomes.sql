SELECT stand_in, outcome, count(*) AS runs
FROM picked
GROUP BY ALL
ORDER BY runs DESC, outcome
