SELECT ordinal, outcome, reason, held_nano, spent_nano, released_nano, ended_at, charged_nano,
    coalesce(execution, 0) AS execution
FROM settlements
WHERE run_id = $run_id
ORDER BY seq
