SELECT
    attempt_id, turn_id, operation, hop, ordinal, reason, target, provider, model, tier, stand_in, outcome, status,
    input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens,
    cost_nano, saved_nano, priced, started_at, duration_us,
    coalesce(kind, 'model') AS kind, units, coalesce(execution, 0) AS execution,
    service_tier_asked, coalesce(service_tier, 'standard') AS service_tier,
    coalesce(service_tier_saved_nano, 0) AS service_tier_saved_nano
FROM costs
WHERE run_id = $run_id
ORDER BY turn_id, ordinal, started_at, seq
