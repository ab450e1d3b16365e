"""Runs the ledger's migrations on the connection that ``pricing.store`` hands over."""

from alembic import context

from pricing.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
