SELECT run_id, automation, choice, decided_by, hold_nano, budgets, asked_at, decided_at
FROM approvals
WHERE $automation IS NULL OR automation = $automation
ORDER BY decided_at DESC, seq DESC
LIMIT $most
