-- Quantiles are of runs that ended and were not refused before they began: amounts that some run really cost.
SELECT
    stand_in, automation,
    count(*) AS runs,
    sum(spent_nano) AS spent_nano,
    quantile_disc(spent_nano, 0.5) FILTER (WHERE outcome <> 'running' AND NOT refused) AS p50_nano,
    quantile_disc(spent_nano, 0.95) FILTER (WHERE outcome <> 'running' AND NOT refused) AS p95_nano
FROM picked
GROUP BY stand_in, automation
ORDER BY spent_nano DESC, automation
