ALTER TABLE attempts ADD COLUMN prompt_parts TEXT;
