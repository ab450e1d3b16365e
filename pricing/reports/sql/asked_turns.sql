-- Turns of an operation that were asked of targets, in an automation's runs of one quality since a time. Those served
-- from storage cost nothing, wherever they would have gone.
SELECT coalesce(sum(asked), 0)::BIGINT AS turns
FROM run_turns
WHERE automation = $automation
    AND operation = $operation
    AND quality = $quality
    AND stand_in = $stand_in
    AND started_at >= $since
