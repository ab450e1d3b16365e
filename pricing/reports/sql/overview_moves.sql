-- From which target turns went on to which, and whether that one answered.
SELECT stand_in, origin, target, answered, sum(turns)::BIGINT AS turns
FROM chosen_moves
GROUP BY ALL
ORDER BY turns DESC, origin, target, answered
