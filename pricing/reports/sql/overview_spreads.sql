-- How the costs of an automation's runs are spread: of those that ended and were not refused before they began. Every
-- quantile is an amount that some run really cost; 200 of them stand for the whole distribution.
CREATE OR REPLACE TEMP TABLE spreads AS
SELECT
    stand_in, automation, least, quantiles[1] AS p50_nano, quantiles[2] AS p95_nano,
    greatest((quantiles[3] - least) // 30, 1) AS step, quantiles[4:] AS sample
FROM (
    SELECT
        stand_in, automation, min(cost_nano) AS least,
        quantile_disc(cost_nano, [0.5, 0.95, 0.99] || list_transform(range(200), lambda n: (n + 0.5) / 200)) AS quantiles
    FROM chosen_runs
    WHERE outcome <> 'running' AND NOT refused
    GROUP BY ALL
)
