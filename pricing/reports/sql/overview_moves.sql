-- From which target turns went on to which, and whether that one answered. The reason of the first attempt at a hop
-- ends with the target before: "timeout at haiku".
WITH hops AS (
    SELECT
        run_id, turn_id, hop,
        regexp_extract(arg_min(reason, ordinal), ' at (\S+)$', 1) AS origin,
        max(target) AS target, bool_or(outcome = 'ok') AS answered
    FROM attempts
    WHERE hop > 0 AND started_at >= getvariable('since') AND started_at < getvariable('until')
    GROUP BY ALL
)
SELECT chosen_runs.stand_in, origin, target, answered, count(*) AS turns
FROM hops
JOIN chosen_runs USING (run_id)
WHERE origin <> ''
GROUP BY ALL
ORDER BY turns DESC, origin, target
