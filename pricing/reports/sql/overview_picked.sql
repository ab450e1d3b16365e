-- The runs of the period, each with the day it began.
CREATE TEMP TABLE picked AS
WITH days AS (
    SELECT unnest($midnights::BIGINT[]) AS begins
)
SELECT
    automation, stand_in, point_nano, p50_nano, p95_nano, outcome, refused, attempts, started_at,
    cost_nano AS spent_nano, stand_in_nano, charged_nano, days.begins AS day
FROM chosen_runs
ASOF JOIN days ON started_at >= days.begins
