-- A turn fell back when it went on to another target.
SELECT
    stand_in, operation, outcome, reason,
    sum(turns)::BIGINT AS turns,
    sum(saved_nano)::BIGINT AS stored_nano,
    sum(asked)::BIGINT AS asked,
    sum(fell_back)::BIGINT AS fell_back
FROM chosen_turns
GROUP BY ALL
