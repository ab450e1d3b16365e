-- How many runs stayed within their p95, by size: quarters by the point they were quoted at, of each automation and
-- quality. Runs of one point are in one quarter, so that there may be fewer than four.
WITH ended AS (
    SELECT
        stand_in, automation, quality, point_nano, outcome = 'completed' AND cost_nano <= p95_nano AS within
    FROM chosen_runs
    WHERE outcome = 'completed' OR (outcome = 'over_budget' AND NOT refused)
),
bounds AS (
    SELECT stand_in, automation, quality, quantile_disc(point_nano, [0.25, 0.5, 0.75]) AS bound
    FROM ended
    GROUP BY ALL
),
quarters AS (
    SELECT
        ended.*,
        (point_nano > bound[1])::INTEGER + (point_nano > bound[2])::INTEGER + (point_nano > bound[3])::INTEGER AS quarter
    FROM ended
    JOIN bounds USING (stand_in, automation, quality)
)
SELECT
    stand_in, automation, quality,
    min(point_nano) AS low_nano, max(point_nano) AS high_nano,
    count(*) AS runs, count(*) FILTER (WHERE within) AS within
FROM quarters
GROUP BY stand_in, automation, quality, quarter
QUALIFY count(*) OVER (PARTITION BY stand_in, automation, quality) > 1
ORDER BY sum(count(*)) OVER (PARTITION BY stand_in, automation, quality) DESC, automation, quality, low_nano
