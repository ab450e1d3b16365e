"""Which turns have their content stored. Every command reads this, so that it imports nothing heavy."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from farebox.config.guard_settings import JUDGE

Place = Annotated[str, Field(pattern=r"^(\*|[^*/\s]+|(\*|[^*/\s]+)/[^*/\s]+)$")]


class ContentSettings(BaseModel):
    """``[content]``: ``keep`` names places (``"*"``, an automation, ``"automation/operation"``, ``"*/operation"``).

    With ``spans``, stored content is also exported with OpenTelemetry's spans, to their exporter.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep: tuple[Place, ...] = ()
    days: Annotated[int, Field(ge=1, le=3_650)] = 30
    spans: bool = False

    def keeps(self, automation: str, operation: str) -> bool:
        """Whether turns of an operation of an automation are stored."""
        exact = {f"{automation}/{operation}", f"*/{operation}"}  # a judge's prompt would store an answer twice
        whole = set() if operation == JUDGE else {"*", automation}
        return not (exact | whole).isdisjoint(self.keep)
