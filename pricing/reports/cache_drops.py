"""Operations that read less from prompt caches than they did, as the ledger has it now."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pricing.reports.format import percent, plural

if TYPE_CHECKING:  # the database's library takes longer to load than a command line's help
    from pricing.analysis.cache_drops import CacheDrop
    from pricing.db.database import Store


def find_cache_drops(
    store: Store, automation: str, quality: str, *, stand_in: bool, until: str | None = None
) -> tuple[CacheDrop, ...]:
    """The drops that operations of an automation are in, with their causes.

    Args:
        store: the ledger's database.
        automation: its name.
        quality: of its runs.
        stand_in: whether the sandbox answered them.
        until: the id of the newest run that is looked at; the newest of all, if left out.

    Raises:
        LedgerBusy: somebody holds the database.
    """
    from pricing.analysis.cache_drops import find_drop
    from pricing.ledger.cache_use import CacheUse

    use = CacheUse(store)
    found = use.runs(automation, quality, stand_in=stand_in, until=until)
    drops = (find_drop(runs, partial(use.requests, operation)) for operation, runs in sorted(found.items()))
    return tuple(drop for drop in drops if drop is not None)


def drop_sentence(drop: CacheDrop) -> str:
    """A sentence about a drop of cache use: the operation, the extent and the cause."""
    now, before = percent(drop.now), percent(drop.before)
    return (
        f"{drop.operation} read {now} of its input from prompt caches in the last {plural(drop.runs, 'run')}, and "
        f"{before} before. {drop.explanation}"
    )
