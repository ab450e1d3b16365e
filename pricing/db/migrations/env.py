"""Runs the ledger's migrations on the connection that ``pricing.db.database`` hands over."""

from alembic import context

from pricing.db.schema import runs

context.configure(connection=context.config.attributes["connection"], target_metadata=runs.metadata)
context.run_migrations()
