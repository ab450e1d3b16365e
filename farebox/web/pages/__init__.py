"""The pages of the report server: one module each."""
