"""Of which turns content is kept. Every command reads it, so nothing heavy is imported here."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from farebox.config.guard_settings import JUDGE

Place = Annotated[str, Field(pattern=r"^(\*|[^*/\s]+|(\*|[^*/\s]+)/[^*/\s]+)$")]


class ContentSettings(BaseModel):
    """``[content]``: ``keep`` names places (``"*"``, an automation, ``"automation/operation"``, ``"*/operation"``).

    With ``spans`` what is kept is also exported with OpenTelemetry's spans, to wherever these go.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep: tuple[Place, ...] = ()
    days: Annotated[int, Field(ge=1, le=3_650)] = 30
    spans: bool = False

    def keeps(self, automation: str, operation: str) -> bool:
        """Whether turns of an operation of an automation are kept."""
        exact = {f"{automation}/{operation}", f"*/{operation}"}  # what a judge is asked would keep an answer twice
        whole = set() if operation == JUDGE else {"*", automation}
        return not (exact | whole).isdisjoint(self.keep)
