-- What each operation asked of which model, and how long its inputs and answers were on the mean.
SELECT
    stand_in, operation, tier, provider, model,
    automation = getvariable('calibration') AS calibrates,
    sum(attempts)::BIGINT AS attempts,
    (sum(attempts) - sum(failed))::BIGINT AS answers,
    sum(input_tokens)::BIGINT AS input_tokens,
    sum(output_tokens)::BIGINT AS output_tokens,
    sum(cache_read_tokens)::BIGINT AS cache_read_tokens,
    sum(cache_write_tokens)::BIGINT AS cache_write_tokens,
    sum(cache_write_1h_tokens)::BIGINT AS cache_write_1h_tokens,
    sum(cost_nano)::BIGINT AS cost_nano,
    sum(unknown_nano)::BIGINT AS unknown_nano
FROM chosen_costs
GROUP BY ALL
ORDER BY cost_nano DESC, operation, model
