"""Agents of other libraries inside priced runs, one module per library; each needs that library installed."""
