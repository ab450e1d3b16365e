-- The rates to reprice at, one row per model that was used, time in which its rates hold, and band of the model now in
-- its place.
CREATE OR REPLACE TEMP TABLE card AS
SELECT unnest(from_json($bands::JSON, '[{"provider": "VARCHAR", "model": "VARCHAR",
    "service_tier": "VARCHAR", "provider_now": "VARCHAR",
    "model_now": "VARCHAR", "factor": "DOUBLE", "since": "BIGINT", "until": "BIGINT", "above": "BIGINT", "upto": "BIGINT", "input": "BIGINT",
    "cache_read": "BIGINT", "cache_write": "BIGINT", "cache_write_1h": "BIGINT", "output": "BIGINT"}]'), recursive := true)
