-- One row per attempt and kind of token, one per attempt that reported none, one per paid request of a tool, and one per
-- adjustment. Rates are nano-dollars per million tokens. The parts of an attempt add up to what it was recorded at: each
-- kind has the share that its rate gives it, and the rounding of one goes into the next.
CREATE OR REPLACE TEMP TABLE focus_lines AS
WITH chosen AS (
    SELECT
        attempts.* REPLACE (coalesce(attempts.service_tier, 'standard') AS service_tier), owners.automation, owners.quality, owners.user_id, owners.org_id, owners.tags
    FROM attempts
    JOIN (FROM runs QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY seq) = 1) AS owners USING (run_id)
    WHERE NOT attempts.stand_in
        AND ($automation IS NULL OR owners.automation = $automation)
        AND ($org IS NULL OR owners.org_id = $org)
        AND ($user IS NULL OR owners.user_id = $user)
        AND ($run_id IS NULL OR attempts.run_id = $run_id)
),
kinds AS (
    SELECT
        chosen.*, counted.place, counted.token_kind, counted.tokens, counted.list_rate, counted.own_rate
    FROM chosen
    JOIN focus_rates AS rates
        ON rates.provider = chosen.provider AND rates.model = chosen.model AND rates.service_tier = chosen.service_tier
        AND rates.day = chosen.started_at // 86400000000
        AND chosen.input_tokens > rates.above AND chosen.input_tokens <= rates.upto,
    LATERAL (
        VALUES
            (1, 'input', greatest(0, input_tokens - coalesce(cache_read_tokens, 0) - coalesce(cache_write_tokens, 0)
                - coalesce(cache_write_1h_tokens, 0)), rates.list_input, rates.own_input),
            (2, 'cache_read', cache_read_tokens, rates.list_cache_read, rates.own_cache_read),
            (3, 'cache_write', cache_write_tokens, rates.list_cache_write, rates.own_cache_write),
            (4, 'cache_write_1h', cache_write_1h_tokens, rates.list_cache_write_1h, rates.own_cache_write_1h),
            (5, 'output', output_tokens, rates.list_output, rates.own_output)
    ) AS counted (place, token_kind, tokens, list_rate, own_rate)
    WHERE chosen.priced = 'usage' AND chosen.started_at >= $since AND chosen.started_at < $until AND counted.tokens > 0
),
weighed AS (
    SELECT
        *,
        sum(tokens::HUGEINT * own_rate) OVER (PARTITION BY attempt_id ORDER BY place) AS upto_weight,
        sum(tokens::HUGEINT * own_rate) OVER (PARTITION BY attempt_id) AS weight
    FROM kinds
),
parted AS (
    SELECT
        * EXCLUDE (upto_weight, weight),
        CASE WHEN weight > 0 THEN cost_nano::HUGEINT * upto_weight // weight
            ELSE CASE WHEN place = max(place) OVER (PARTITION BY attempt_id) THEN cost_nano ELSE 0 END END AS upto_nano
    FROM weighed
)
SELECT
    attempt_id, turn_id, run_id, operation, provider, account, model, tier, service_tier, target, kind, priced, automation, quality,
    user_id, org_id, tags, started_at AS happened, duration_us, 'Usage' AS category, NULL::VARCHAR AS corrects, token_kind,
    tokens::DECIMAL(38, 6) AS consumed, 'Tokens' AS unit, list_rate::HUGEINT AS list_nano, own_rate::HUGEINT AS own_nano,
    (upto_nano - coalesce(lag(upto_nano) OVER (PARTITION BY attempt_id ORDER BY place), 0))::BIGINT AS billed_nano,
    place
FROM parted
UNION ALL
SELECT
    attempt_id, turn_id, run_id, operation, provider, account, model, tier, service_tier, target, kind, priced, automation, quality,
    user_id, org_id, tags, started_at, duration_us, 'Usage', NULL,
    CASE WHEN kind = 'tool' THEN 'tool' ELSE 'not_reported' END,
    CASE WHEN kind = 'tool' AND units > 0 THEN units::DECIMAL(38, 6) ELSE 1 END,
    CASE WHEN kind = 'tool' THEN 'Units' ELSE 'Requests' END, NULL, NULL, cost_nano, 6
FROM chosen
WHERE started_at >= $since AND started_at < $until AND cost_nano <> 0
    AND attempt_id NOT IN (SELECT attempt_id FROM kinds)
UNION ALL
SELECT
    one.attempt_id, turn_id, one.run_id, operation, provider, account, model, tier, service_tier, target, kind,
    CASE WHEN one.reconciliation_id IS NULL THEN 'adjusted' ELSE 'billed' END,
    automation, quality, user_id, org_id, tags, one.recorded_at, 0, 'Adjustment',
    strftime(make_timestamp(chosen.started_at), '%Y-%m'), 'adjustment', NULL, NULL, NULL, NULL, one.cost_delta_nano, 7
FROM adjustments AS one
JOIN chosen USING (attempt_id)
WHERE one.recorded_at >= $since AND one.recorded_at < $until AND one.cost_delta_nano <> 0
