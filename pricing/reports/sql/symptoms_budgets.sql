-- Per automation, what runs spent that were held on no budget of a day, week or month: nothing would have stopped them.
-- The budget of an operation is everybody's; it limits the runs that asked for that.
WITH held AS (
    SELECT
        run_id, stand_in, automation, spent_nano,
        list_filter(from_json(budgets, '["VARCHAR"]'), lambda b: NOT starts_with(b, 'run:')) AS lasting
    FROM settlements
    WHERE ended_at >= getvariable('since') AND held_nano > 0
),
loose AS (
    FROM held
    WHERE len(list_filter(lasting, lambda b: NOT starts_with(b, 'operation:'))) = 0
),
limited AS (
    SELECT DISTINCT run_id
    FROM (SELECT run_id, unnest(lasting) AS budget_id FROM loose)
    JOIN run_costs USING (run_id)
    WHERE starts_with(budget_id, 'operation:' || operation || ':')
)
SELECT stand_in, automation, count(*) AS runs, sum(spent_nano)::BIGINT AS spent_nano
FROM loose
ANTI JOIN limited USING (run_id)
GROUP BY ALL
ORDER BY spent_nano DESC, automation
