-- The windows that lasting budgets were in when the newest runs ended, each with what its runs spent, in order. The
-- budgets of operations are held by attempts, not by runs, and left out.
WITH spent AS (
    SELECT unnest(from_json(budgets, '["VARCHAR"]')) AS budget_id, spent_nano, ended_at
    FROM settlements
    WHERE ended_at >= getvariable('since') AND spent_nano > 0
),
windows AS (
    SELECT
        budget_id, split_part(budget_id, ':', 1) AS scope, split_part(budget_id, ':', -2) AS span,
        split_part(budget_id, ':', -1) AS begins
    FROM spent
    WHERE budget_id NOT LIKE 'run:%' AND budget_id NOT LIKE 'operation:%'
    GROUP BY budget_id
),
newest AS (
    SELECT
        budget_id, scope, span, begins,
        array_slice(budget_id, length(scope) + 2, length(budget_id) - length(span) - length(begins) - 2) AS key
    FROM windows
    QUALIFY row_number() OVER (
        PARTITION BY array_slice(budget_id, 1, length(budget_id) - length(begins) - 1) ORDER BY begins DESC
    ) = 1
),
limits AS (
    SELECT scope, key, span, arg_max(limit_nano, changed_at) AS limit_nano, arg_max(soft_nano, changed_at) AS soft_nano
    FROM budget_changes
    WHERE origin = 'window'
    GROUP BY ALL
)
SELECT newest.scope, newest.key, newest.span, begins, limit_nano, soft_nano, ended_at, spent_nano
FROM newest
JOIN limits USING (scope, key, span)
JOIN spent USING (budget_id)
ORDER BY newest.scope, newest.key, newest.span, ended_at
