-- A quote covered a run that was completed for its p95 or less.
SELECT
    stand_in,
    count(*) AS runs,
    count(*) FILTER (WHERE refused) AS refused,
    sum(attempts) AS attempts,
    sum(spent_nano) AS spent_nano,
    sum(stand_in_nano) AS stand_in_nano,
    count(*) FILTER (WHERE outcome = 'completed') AS completed,
    count(*) FILTER (WHERE outcome = 'completed' AND spent_nano <= p95_nano) AS covered,
    count(*) FILTER (WHERE outcome = 'over_budget' AND NOT refused) AS stopped
FROM picked
GROUP BY stand_in
