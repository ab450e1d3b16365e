ALTER TABLE attempts ADD COLUMN service_tier_asked TEXT;
ALTER TABLE attempts ADD COLUMN service_tier TEXT NOT NULL DEFAULT 'standard';
