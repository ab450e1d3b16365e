"""The key of hashes that tell whether parts of prompts are the same, without telling what they say."""

from __future__ import annotations

import secrets

import sqlalchemy as sa

from pricing.db import schema
from pricing.db.database import Store
from pricing.db.upsert import insert_into

_NAME = "prompt_hash_key"
_BYTES = 32


def prompt_hash_key(store: Store) -> bytes:
    """The key of a ledger, made when it is first asked for: 32 bytes, the same for all processes that share it.

    Raises:
        LedgerBusy: somebody holds the database.
    """
    found = sa.select(schema.meta.c.value).where(schema.meta.c.key == _NAME)
    with store.read() as connection:
        kept = connection.execute(found).scalar_one_or_none()
    if kept is None:
        with store.write(durable=True) as connection:
            made = insert_into(connection.dialect.name, schema.meta).on_conflict_do_nothing(index_elements=["key"])
            connection.execute(made, {"key": _NAME, "value": secrets.token_hex(_BYTES)})
            kept = connection.execute(found).scalar_one()
    return bytes.fromhex(str(kept))
