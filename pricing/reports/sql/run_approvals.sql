SELECT choice, decided_by, hold_nano, budgets, asked_at, decided_at
FROM approvals
WHERE run_id = $run_id
ORDER BY decided_at, seq
