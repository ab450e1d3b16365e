-- Per automation, what runs spent that were held on no budget of a day, week or month: nothing would have stopped them.
SELECT stand_in, automation, count(*) AS runs, sum(spent_nano)::BIGINT AS spent_nano
FROM settlements
WHERE ended_at >= getvariable('since') AND held_nano > 0
    AND list_count(list_filter(from_json(budgets, '["VARCHAR"]'), lambda b: NOT starts_with(b, 'run:'))) = 0
GROUP BY ALL
ORDER BY spent_nano DESC, automation
