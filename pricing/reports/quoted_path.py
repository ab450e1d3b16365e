"""What the turns of past runs went through on their way to an answer: all of it is in the scores of a quote."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pricing.quotes.prediction import WINDOW
from pricing.reports.format import percent, plural, ratio
from pricing.reports.query import read_replica

if TYPE_CHECKING:
    from pricing.replica.replica import Replica


@dataclass(frozen=True, slots=True)
class QuotedPath:
    """The turns of one automation's newest runs at one quality; at most ``WINDOW`` runs.

    ``asked`` turns made an attempt: of these, ``fell_back`` ones went on to another target and ``repaired`` ones were
    asked again. ``stored`` turns were answered from storage. Tokens are those that providers counted.
    """

    quality: str
    runs: int
    turns: int
    asked: int
    attempts: int
    fell_back: int
    repaired: int
    stored: int
    input_tokens: int
    cache_read_tokens: int

    @property
    def shares(self) -> dict[str, float | None]:
        """Fallbacks and repairs per turn that was asked, stored answers per turn, cached tokens per token read."""
        return {
            "fell_back": ratio(self.fell_back, self.asked),
            "repaired": ratio(self.repaired, self.asked),
            "stored": ratio(self.stored, self.turns),
            "cache_read": ratio(self.cache_read_tokens, self.input_tokens),
        }

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self) | {"shares": self.shares}

    def __str__(self) -> str:
        texts = {name: "–" if share is None else percent(share) for name, share in self.shares.items()}
        return (
            f"of {plural(self.turns, 'turn')} in {plural(self.runs, 'run')}, {texts['stored']} were answered from "
            f"storage; of those asked, {texts['fell_back']} fell back and {texts['repaired']} were repaired; "
            f"{texts['cache_read']} of the tokens read came from a cache"
        )


def quoted_paths(replica: Replica, automation: str, *, stand_in: bool) -> list[QuotedPath]:
    """One per quality that ran.

    Raises:
        LedgerBusy: somebody holds the replica's file.
    """
    with read_replica(replica) as source:
        rows = source.rows("quoted_path", automation=automation, stand_in=stand_in, newest=WINDOW)
    return [QuotedPath(**row) for row in rows]
