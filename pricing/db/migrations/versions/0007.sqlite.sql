ALTER TABLE calibration_scores ADD COLUMN usage_known BOOLEAN;
