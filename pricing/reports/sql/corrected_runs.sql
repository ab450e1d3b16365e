SELECT run_id, max(known_at) AS known_at
FROM (
    SELECT run_id, recorded_at AS known_at FROM adjustments WHERE seq > $adjusted
    UNION ALL
    SELECT run_id, ended_at AS known_at FROM settlements WHERE seq > $settled
)
GROUP BY run_id
ORDER BY run_id
