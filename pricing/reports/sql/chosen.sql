-- What is reported on: the runs of a period, of one automation, organisation or user where asked for, and what they came
-- to. Whole days are read from their cells, the rest of the period run by run; so the views of sums have columns of runs
-- (when, whose) that are empty where cells stand for them. Variables rather than parameters: a view has none.
CREATE OR REPLACE TEMP MACRO is_of(low, high, started_at, automation, org_id, user_id) AS
    started_at >= low AND started_at < high
    AND (getvariable('automation') IS NULL OR automation = getvariable('automation'))
    AND (getvariable('org') IS NULL OR org_id = getvariable('org'))
    AND (getvariable('user') IS NULL OR user_id = getvariable('user'));

CREATE OR REPLACE TEMP VIEW chosen_runs AS
FROM run_totals
WHERE is_of(getvariable('since'), getvariable('until'), started_at, automation, org_id, user_id);

CREATE OR REPLACE TEMP VIEW chosen_moves AS
FROM run_moves
WHERE is_of(getvariable('since'), getvariable('until'), started_at, automation, org_id, user_id);

CREATE OR REPLACE TEMP VIEW chosen_guards AS
FROM run_guards
WHERE is_of(getvariable('since'), getvariable('until'), started_at, automation, org_id, user_id);

CREATE OR REPLACE TEMP MACRO by_days(cells, runs) AS TABLE
FROM query_table(cells)
WHERE is_of(getvariable('first_day'), getvariable('after_days'), day, automation, NULL, NULL)
UNION ALL BY NAME
FROM query_table(runs)
WHERE is_of(getvariable('since'), getvariable('first_day'), started_at, automation, org_id, user_id)
UNION ALL BY NAME
FROM query_table(runs)
WHERE is_of(getvariable('after_days'), getvariable('until'), started_at, automation, org_id, user_id);

CREATE OR REPLACE TEMP VIEW chosen_totals AS FROM by_days('day_totals', 'counted_runs');

CREATE OR REPLACE TEMP VIEW chosen_costs AS FROM by_days('day_costs', 'run_costs');

CREATE OR REPLACE TEMP VIEW chosen_turns AS FROM by_days('day_turns', 'run_turns');

-- Cells of quarters are of all automations together.
CREATE OR REPLACE TEMP VIEW chosen_moments AS
SELECT quarter AS started_at, * EXCLUDE (quarter)
FROM quarter_sums
WHERE quarter >= getvariable('first_quarter') AND quarter < getvariable('after_quarters')
UNION ALL BY NAME
FROM counted_moments
WHERE is_of(getvariable('since'), getvariable('first_quarter'), started_at, automation, org_id, user_id)
UNION ALL BY NAME
FROM counted_moments
WHERE is_of(getvariable('after_quarters'), getvariable('until'), started_at, automation, org_id, user_id);
