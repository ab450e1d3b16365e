-- Bills of the period whose reconciliation was accepted, by provider; one that a later one covers does not count twice.
SELECT
    provider, min(first_day) AS first_day, max(last_day) AS last_day,
    sum(billed_nano)::BIGINT AS billed_nano, sum(recorded_nano)::BIGINT AS recorded_nano,
    sum(unexplained_nano)::BIGINT AS unexplained_nano
FROM reconciliations AS one
WHERE epoch_us(last_day::TIMESTAMP) >= getvariable('since') - 86400000000
    AND epoch_us(first_day::TIMESTAMP) < getvariable('until')
    AND NOT EXISTS (
        FROM reconciliations AS later
        WHERE later.provider = one.provider AND later.seq > one.seq
            AND later.first_day <= one.first_day AND later.last_day >= one.last_day
    )
GROUP BY provider
ORDER BY provider
