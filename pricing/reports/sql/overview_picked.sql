-- One row per run of the period, with the day it began, how it ended and what it spent.
CREATE TEMP TABLE picked AS
WITH chosen AS (
    SELECT run_id, automation, stand_in, started_at, p95_nano
    FROM runs
    WHERE ($automation IS NULL OR automation = $automation)
        AND ($since IS NULL OR started_at >= $since)
        AND ($until IS NULL OR started_at < $until)
),
ended AS (
    SELECT run_id, max_by(outcome, ordinal) AS outcome, sum(held_nano) AS held_nano
    FROM settlements SEMI JOIN chosen USING (run_id)
    GROUP BY run_id
),
spent AS (
    SELECT
        run_id, count(*) AS attempts, sum(cost_nano) AS cost_nano,
        coalesce(sum(cost_nano) FILTER (WHERE stand_in), 0) AS stand_in_nano
    FROM attempts SEMI JOIN chosen USING (run_id)
    GROUP BY run_id
),
corrected AS (
    SELECT run_id, sum(delta_nano) AS delta_nano, coalesce(sum(delta_nano) FILTER (WHERE stand_in), 0) AS stand_in_nano
    FROM corrections SEMI JOIN chosen USING (run_id)
    GROUP BY run_id
),
days AS (
    SELECT unnest($midnights::BIGINT[]) AS begins
)
SELECT
    chosen.run_id, automation, stand_in, p95_nano, days.begins AS day,
    coalesce(outcome, 'running') AS outcome,
    coalesce(attempts, 0) AS attempts,
    (coalesce(cost_nano, 0) + coalesce(delta_nano, 0))::BIGINT AS spent_nano,
    (coalesce(spent.stand_in_nano, 0) + coalesce(corrected.stand_in_nano, 0))::BIGINT AS stand_in_nano,
    coalesce(outcome = 'over_budget' AND held_nano = 0 AND attempts IS NULL, false) AS refused
FROM chosen
ASOF JOIN days ON chosen.started_at >= days.begins
LEFT JOIN ended ON ended.run_id = chosen.run_id
LEFT JOIN spent ON spent.run_id = chosen.run_id
LEFT JOIN corrected ON corrected.run_id = chosen.run_id
