-- A bill in nano-dollars: rates are nano-dollars per million tokens, and a part of one is never given away.
CREATE TEMP MACRO ceil_div(exact) AS ((exact + 999999) // 1000000)::BIGINT
