-- What was asked of which model, as far as providers reported its tokens; calibrations ask every model on purpose.
SELECT
    stand_in, model,
    sum(input_tokens)::BIGINT AS input_tokens,
    sum(output_tokens)::BIGINT AS output_tokens,
    sum(cache_read_tokens)::BIGINT AS cache_read_tokens,
    sum(cache_write_tokens)::BIGINT AS cache_write_tokens,
    sum(cache_write_1h_tokens)::BIGINT AS cache_write_1h_tokens,
    sum(cost_nano - unknown_nano)::BIGINT AS cost_nano
FROM chosen_costs
WHERE automation <> getvariable('calibration') AND input_tokens IS NOT NULL AND output_tokens IS NOT NULL
GROUP BY ALL
