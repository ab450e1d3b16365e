-- Adjustments where their attempts belong; few, so that the totals below need not look up every attempt.
CREATE TEMP TABLE corrections AS
SELECT a.run_id, a.operation, a.provider, a.model, a.stand_in, d.cost_delta_nano AS delta_nano
FROM adjustments AS d
JOIN attempts AS a ON a.attempt_id = d.attempt_id
