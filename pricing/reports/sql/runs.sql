-- A page of runs, newest first: those before the key of the page's predecessor that meet every filter given. One that is
-- suspended has not ended, whatever an earlier try of it came to.
WITH open AS (
    SELECT unnest(from_json($suspended, '["VARCHAR"]')) AS run_id
),
known AS (
    SELECT
        t.* EXCLUDE (outcome, ended_at),
        CASE WHEN open.run_id IS NULL THEN outcome ELSE 'suspended' END AS outcome,
        CASE WHEN open.run_id IS NULL THEN ended_at END AS ended_at
    FROM run_totals AS t
    LEFT JOIN open ON open.run_id = t.run_id
)
SELECT
    run_id, automation, quality, stand_in, started_at, ended_at, outcome, turns, attempts, point_nano, p95_nano,
    cost_nano AS spent_nano, org_id AS org, user_id AS "user", seq
FROM known
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
