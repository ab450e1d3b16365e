-- How often runs of each automation cost how much: thirty steps up to the 99th percentile, and what is above in one.
WITH ended AS (
    SELECT stand_in, automation, cost_nano AS spent_nano FROM chosen_runs WHERE outcome <> 'running' AND NOT refused
),
steps AS (
    SELECT
        stand_in, automation,
        greatest((quantile_disc(spent_nano, 0.99) - min(spent_nano)) // 30, 1) AS step, min(spent_nano) AS least
    FROM ended
    GROUP BY ALL
)
SELECT
    stand_in, automation, least, step,
    least((spent_nano - least) // step, 30)::BIGINT AS bin, max(spent_nano) AS most, count(*) AS runs
FROM ended
JOIN steps USING (stand_in, automation)
GROUP BY ALL
ORDER BY bin
