-- Grouped twice: attempts first by themselves, then with the few corrections of their cost.
WITH asked AS (
    SELECT
        picked.stand_in, a.operation, a.provider, a.model,
        count(*) AS attempts,
        count(*) FILTER (WHERE a.outcome <> 'ok') AS failed,
        sum(a.input_tokens) AS input_tokens,
        sum(a.output_tokens) AS output_tokens,
        sum(a.cache_read_tokens) AS cache_read_tokens,
        sum(a.cost_nano) AS cost_nano,
        sum(a.saved_nano) AS caching_nano,
        coalesce(sum(a.saved_nano) FILTER (WHERE a.stand_in), 0) AS stand_in_nano
    FROM attempts AS a
    JOIN picked ON picked.run_id = a.run_id
    GROUP BY ALL
),
corrected AS (
    SELECT picked.stand_in, c.operation, c.provider, c.model, sum(c.delta_nano) AS delta_nano
    FROM corrections AS c
    JOIN picked ON picked.run_id = c.run_id
    GROUP BY ALL
)
SELECT asked.* REPLACE (cost_nano + coalesce(delta_nano, 0) AS cost_nano)
FROM asked
LEFT JOIN corrected USING (stand_in, operation, provider, model)
ORDER BY cost_nano DESC, operation, model, provider
