-- Reconciliations of a month that were accepted by $cut; one that a later one covers does not count twice.
WITH accepted AS (
    FROM reconciliations
    WHERE accepted_at < $cut AND last_day >= $first_day AND first_day <= $last_day
)
SELECT
    provider, sum(billed_nano)::BIGINT AS billed_nano, sum(recorded_nano)::BIGINT AS recorded_nano,
    sum(unexplained_nano)::BIGINT AS unexplained_nano, max(last_day) AS until
FROM accepted AS one
WHERE NOT EXISTS (
    FROM accepted AS later
    WHERE later.provider = one.provider AND later.seq > one.seq
        AND later.first_day <= one.first_day AND later.last_day >= one.last_day
)
GROUP BY provider
ORDER BY provider
