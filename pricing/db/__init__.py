"""The database under the ledger: SQLite or PostgreSQL, its schema, its writers and its migrations."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from pricing.db.database import Store
    from pricing.db.file_lock import acquire_file_lock
    from pricing.db.forks import abandon, after_fork
    from pricing.db.ledger_file import check_values
    from pricing.db.schema import VERSION as SCHEMA_VERSION
    from pricing.db.write_queue import PendingWrite

__all__ = ["SCHEMA_VERSION", "PendingWrite", "Store", "abandon", "acquire_file_lock", "after_fork", "check_values"]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "SCHEMA_VERSION": "pricing.db.schema:VERSION",
            "check_values": "pricing.db.ledger_file",
            "PendingWrite": "pricing.db.write_queue",
            "Store": "pricing.db.database",
            "abandon": "pricing.db.forks",
            "acquire_file_lock": "pricing.db.file_lock",
            "after_fork": "pricing.db.forks",
        },
    )
