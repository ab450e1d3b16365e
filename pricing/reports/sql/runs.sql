-- A page of runs, newest first: those before the key of the page's predecessor that meet every filter given.
SELECT
    run_id, automation, quality, stand_in, started_at, ended_at, outcome, turns, attempts, point_nano, p95_nano,
    cost_nano AS spent_nano, org_id AS org, user_id AS "user", seq
FROM run_totals
WHERE started_at <= $last_at
    AND (started_at < $last_at OR seq < $last_seq)
    AND ($automation IS NULL OR automation = $automation)
    AND ($outcome IS NULL OR outcome = $outcome)
    AND ($owner IS NULL OR org_id = $owner OR user_id = $owner)
    AND ($tag IS NULL OR list_contains(from_json(tags, '["VARCHAR"]'), $tag))
    AND ($since IS NULL OR started_at >= $since)
    AND ($until IS NULL OR started_at < $until)
    AND ($id_part IS NULL OR contains(lower(run_id), $id_part))
ORDER BY started_at DESC, seq DESC
LIMIT $limit
