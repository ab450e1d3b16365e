"""The overview of many runs."""
