-- Recent results of each target: its last attempts, and its last answers. Cancelled attempts tell nothing of it.
WITH numbered AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY target, provider, model, stand_in ORDER BY started_at DESC, seq DESC
        ) AS nth,
        row_number() OVER (
            PARTITION BY target, provider, model, stand_in, outcome = 'ok' ORDER BY started_at DESC, seq DESC
        ) AS nth_alike
    FROM last_attempts
)
SELECT
    target, provider, model, stand_in,
    count(*) FILTER (WHERE nth <= $last) AS attempts,
    count(*) FILTER (WHERE nth <= $last AND outcome <> 'ok') AS failed,
    quantile_disc(duration_us, 0.5) FILTER (WHERE outcome = 'ok' AND nth_alike <= $last) AS p50_us,
    max(outcome) FILTER (WHERE nth = 1) AS last_outcome,
    max(started_at) AS last_at
FROM numbered
GROUP BY target, provider, model, stand_in
ORDER BY target, provider, model, stand_in
