SELECT stand_in, day, count(*) AS runs, sum(spent_nano) AS spent_nano
FROM picked
GROUP BY stand_in, day
ORDER BY day
