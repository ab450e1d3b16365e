-- A turn fell back when it went on to another target.
SELECT
    picked.stand_in, t.operation, t.outcome, t.reason,
    count(*) AS turns,
    sum(t.saved_nano) AS stored_nano,
    count(*) FILTER (WHERE t.attempts > 0) AS asked,
    count(moved.turn_id) AS fell_back
FROM turns AS t
JOIN picked ON picked.run_id = t.run_id
LEFT JOIN (SELECT DISTINCT turn_id FROM attempts WHERE hop > 0) AS moved ON moved.turn_id = t.turn_id
GROUP BY ALL
