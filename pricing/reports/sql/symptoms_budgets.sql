-- Per automation, what runs spent that were held on no budget of a day, week or month: nothing would have stopped them.
-- The budget of an operation is everybody's; it limits the runs that asked for that.
WITH loose AS (
    SELECT
        run_id, stand_in, automation, spent_nano,
        list_filter(from_json(budgets, '["VARCHAR"]'), lambda b: NOT starts_with(b, 'run:')) AS single
    FROM settlements
    WHERE ended_at >= getvariable('since') AND held_nano > 0
        AND list_bool_and(list_transform(
            from_json(budgets, '["VARCHAR"]'), lambda b: starts_with(b, 'run:') OR starts_with(b, 'operation:')
        )) IS NOT FALSE
),
limited AS (
    SELECT DISTINCT loose.run_id
    FROM loose
    JOIN run_costs USING (run_id)
    WHERE len(single) > 0
        AND len(list_filter(single, lambda b: starts_with(b, 'operation:' || run_costs.operation || ':'))) > 0
)
SELECT stand_in, automation, count(*) AS runs, sum(spent_nano)::BIGINT AS spent_nano
FROM loose
ANTI JOIN limited USING (run_id)
GROUP BY ALL
ORDER BY spent_nano DESC, automation
