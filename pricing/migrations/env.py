"""Runs the ledger's migrations on the connection that ``pricing.store`` hands over."""

from alembic import context

from pricing.schema import runs

context.configure(connection=context.config.attributes["connection"], target_metadata=runs.metadata)
context.run_migrations()
