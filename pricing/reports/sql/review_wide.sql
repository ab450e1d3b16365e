-- For rates above $1,000 per million tokens.
CREATE OR REPLACE TEMP MACRO wide(count) AS count::HUGEINT
