SELECT
    stand_in, operation, provider, model,
    sum(attempts)::BIGINT AS attempts,
    sum(failed)::BIGINT AS failed,
    sum(input_tokens)::BIGINT AS input_tokens,
    sum(output_tokens)::BIGINT AS output_tokens,
    sum(cache_read_tokens)::BIGINT AS cache_read_tokens,
    sum(cost_nano)::BIGINT AS cost_nano,
    sum(saved_nano)::BIGINT AS caching_nano,
    coalesce(sum(saved_nano) FILTER (WHERE by_stand_in), 0)::BIGINT AS stand_in_nano
FROM chosen_costs
GROUP BY stand_in, operation, provider, model
ORDER BY cost_nano DESC, operation, model, provider
