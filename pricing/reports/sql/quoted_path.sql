-- What the turns of an automation's newest runs went through, by quality: of the runs that its quotes lean on.
WITH newest AS (
    SELECT run_id, quality
    FROM run_totals
    WHERE automation = $automation AND stand_in = $stand_in
        AND (outcome = 'completed' OR (outcome = 'over_budget' AND cost_nano > 0))
    QUALIFY row_number() OVER (PARTITION BY quality ORDER BY ended_at DESC) <= $newest
),
turned AS (
    SELECT
        run_id, sum(turns) AS turns, sum(asked) AS asked, sum(fell_back) AS fell_back, sum(repaired) AS repaired,
        sum(turns) FILTER (WHERE outcome = 'stored') AS stored
    FROM run_turns
    SEMI JOIN newest USING (run_id)
    GROUP BY run_id
),
spent AS (
    SELECT
        run_id, sum(attempts) AS attempts, sum(input_tokens) AS input_tokens,
        sum(cache_read_tokens) AS cache_read_tokens
    FROM run_costs
    SEMI JOIN newest USING (run_id)
    GROUP BY run_id
)
SELECT
    quality,
    count(*) AS runs,
    coalesce(sum(turns), 0)::BIGINT AS turns,
    coalesce(sum(asked), 0)::BIGINT AS asked,
    coalesce(sum(attempts), 0)::BIGINT AS attempts,
    coalesce(sum(fell_back), 0)::BIGINT AS fell_back,
    coalesce(sum(repaired), 0)::BIGINT AS repaired,
    coalesce(sum(stored), 0)::BIGINT AS stored,
    coalesce(sum(input_tokens), 0)::BIGINT AS input_tokens,
    coalesce(sum(cache_read_tokens), 0)::BIGINT AS cache_read_tokens
FROM newest
LEFT JOIN turned USING (run_id)
LEFT JOIN spent USING (run_id)
GROUP BY quality
ORDER BY quality DESC
