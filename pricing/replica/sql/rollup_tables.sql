-- What a run came to, one row per run: kept beside the facts, so that a report need not add up every attempt again.
CREATE TABLE run_totals (
    run_id VARCHAR, seq BIGINT, automation VARCHAR, quality VARCHAR, user_id VARCHAR, org_id VARCHAR, tags VARCHAR,
    stand_in BOOLEAN, started_at BIGINT, rate_version VARCHAR, method VARCHAR,
    point_nano BIGINT, p50_nano BIGINT, p95_nano BIGINT, ceiling_nano BIGINT,
    outcome VARCHAR, refused BOOLEAN, ended_at BIGINT, held_nano BIGINT, charged_nano BIGINT, charged_credits BIGINT,
    turns BIGINT, attempts BIGINT, cost_nano BIGINT, stand_in_nano BIGINT, unknown_nano BIGINT
);

-- Which archived segments have facts of a run: its `seq` in run_totals.
CREATE TABLE run_segments (seq BIGINT, ordinal BIGINT);

-- What a run's attempts came to, one row per run, operation, model and service tier, with what reports pick runs by.
CREATE TABLE run_costs (
    run_id VARCHAR, automation VARCHAR, quality VARCHAR, user_id VARCHAR, org_id VARCHAR, tags VARCHAR,
    stand_in BOOLEAN, started_at BIGINT,
    operation VARCHAR, target VARCHAR, provider VARCHAR, model VARCHAR, tier VARCHAR, service_tier VARCHAR,
    by_stand_in BOOLEAN,
    attempts BIGINT, failed BIGINT,
    input_tokens BIGINT, output_tokens BIGINT, cache_read_tokens BIGINT, cache_write_tokens BIGINT,
    cache_write_1h_tokens BIGINT, reasoning_tokens BIGINT,
    cost_nano BIGINT, unknown_nano BIGINT, saved_nano BIGINT
);

-- What a run's turns came to, one row per run, operation and outcome; `asked` ones made an attempt, `fell_back` ones
-- went on to another target.
CREATE TABLE run_turns (
    run_id VARCHAR, automation VARCHAR, quality VARCHAR, user_id VARCHAR, org_id VARCHAR, tags VARCHAR,
    stand_in BOOLEAN, started_at BIGINT,
    operation VARCHAR, outcome VARCHAR, reason VARCHAR,
    turns BIGINT, asked BIGINT, fell_back BIGINT, repaired BIGINT, saved_nano BIGINT
);

-- From which target a run's turns went on to which, and whether that one answered.
CREATE TABLE run_moves (
    run_id VARCHAR, automation VARCHAR, quality VARCHAR, user_id VARCHAR, org_id VARCHAR, tags VARCHAR,
    stand_in BOOLEAN, started_at BIGINT,
    origin VARCHAR, target VARCHAR, answered BOOLEAN, turns BIGINT
);

-- What guards did in a run other than allow.
CREATE TABLE run_guards (
    run_id VARCHAR, automation VARCHAR, quality VARCHAR, user_id VARCHAR, org_id VARCHAR, tags VARCHAR,
    stand_in BOOLEAN, started_at BIGINT,
    guard VARCHAR, mode VARCHAR, action VARCHAR, reason VARCHAR, times BIGINT
);

-- The last attempts of each target, but for those that its service tier had no capacity for: as many as a report looks back on, and as many that were answered.
CREATE TABLE last_attempts (
    target VARCHAR, provider VARCHAR, model VARCHAR, stand_in BOOLEAN, outcome VARCHAR, duration_us BIGINT,
    started_at BIGINT, seq BIGINT
);
