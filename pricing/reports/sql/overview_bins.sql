-- How often runs of each automation cost how much: thirty steps up to the 99th percentile, and what is above in one.
SELECT
    stand_in, automation, least, step,
    least((cost_nano - least) // step, 30)::BIGINT AS bin, max(cost_nano) AS most, count(*) AS runs
FROM chosen_runs
JOIN spreads USING (stand_in, automation)
WHERE outcome <> 'running' AND NOT refused
GROUP BY ALL
ORDER BY stand_in, automation, bin
