-- Days that are over have their decisions in fewer rows.
CREATE OR REPLACE TEMP TABLE regrouped AS
SELECT * EXCLUDE (decisions, cost_nano), sum(decisions) AS decisions, sum(cost_nano) AS cost_nano
FROM day_decisions
WHERE day >= getvariable('first_day') AND day < getvariable('after_days')
GROUP BY ALL;

DELETE FROM day_decisions WHERE day >= getvariable('first_day') AND day < getvariable('after_days');

INSERT INTO day_decisions FROM regrouped ORDER BY day, guard, latency_us;
