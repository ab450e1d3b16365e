-- The runs of the period, each with the day it began.
CREATE TEMP TABLE picked AS
WITH days AS (
    SELECT unnest($midnights::BIGINT[]) AS begins
)
SELECT
    automation, stand_in, p95_nano, outcome, refused, attempts, cost_nano AS spent_nano, stand_in_nano,
    days.begins AS day
FROM run_totals
ASOF JOIN days ON started_at >= days.begins
WHERE ($automation IS NULL OR automation = $automation)
    AND ($since IS NULL OR started_at >= $since)
    AND ($until IS NULL OR started_at < $until)
