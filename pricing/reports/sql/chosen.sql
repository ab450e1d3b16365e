-- What is reported on: the runs of a period, of one automation, organisation or user where asked for, and their
-- rollups. Variables rather than parameters: a view has none.
CREATE OR REPLACE TEMP MACRO is_chosen(started_at, automation, org_id, user_id) AS
    started_at >= getvariable('since') AND started_at < getvariable('until')
    AND (getvariable('automation') IS NULL OR automation = getvariable('automation'))
    AND (getvariable('org') IS NULL OR org_id = getvariable('org'))
    AND (getvariable('user') IS NULL OR user_id = getvariable('user'));

CREATE OR REPLACE TEMP VIEW chosen_runs AS FROM run_totals WHERE is_chosen(started_at, automation, org_id, user_id);

CREATE OR REPLACE TEMP VIEW chosen_costs AS FROM run_costs WHERE is_chosen(started_at, automation, org_id, user_id);

CREATE OR REPLACE TEMP VIEW chosen_turns AS FROM run_turns WHERE is_chosen(started_at, automation, org_id, user_id);
