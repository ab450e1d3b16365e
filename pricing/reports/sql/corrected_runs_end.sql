SELECT
    coalesce((SELECT max(seq) FROM adjustments), 0) AS adjusted,
    coalesce((SELECT max(seq) FROM settlements), 0) AS settled
