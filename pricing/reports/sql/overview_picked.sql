-- The runs of the period, each with the day it began. By quarters of an hour, at one of which every day begins: looking
-- up a run's quarter is many times cheaper than sorting all runs among the days.
CREATE TEMP TABLE picked AS
WITH days AS (
    SELECT unnest($midnights::BIGINT[]) AS begins
),
quarters AS (
    SELECT quarter, begins AS day
    FROM (SELECT DISTINCT started_at // 900000000 * 900000000 AS quarter FROM chosen_runs)
    ASOF JOIN days ON quarter >= begins
)
SELECT
    automation, stand_in, point_nano, p50_nano, p95_nano, outcome, refused, attempts, started_at,
    cost_nano AS spent_nano, stand_in_nano, charged_nano, day
FROM chosen_runs
JOIN quarters ON quarter = started_at // 900000000 * 900000000
