SELECT * EXCLUDE (seq, user_id, org_id, plan) FROM runs WHERE run_id = $run_id ORDER BY seq LIMIT 1
