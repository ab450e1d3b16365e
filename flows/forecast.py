"""A look at what is scheduled: priced, and what no budget has room for refused before it starts. Hourly."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from prefect.artifacts import create_table_artifact
from pydantic import Field

from farebox import get_runtime
from farebox.prefect import forecast_schedule as look
from farebox.prefect import shown


@flow(name="forecast")
def forecast(hours: Annotated[float, Field(gt=0, le=168)] = 24) -> dict[str, int]:
    """Price what Prefect has scheduled; cancel what cannot fit its budgets, and what nobody decided about in time.

    Args:
        hours: how far to look ahead.
    """
    outlook = look(get_runtime(), hours, refuse=True)
    told = f"{shown(outlook.expected_nano)} expected in the next {hours:g} hours"
    create_table_artifact(outlook.rows(), key="forecast", description="\n\n".join([told, *outlook.advice()]))
    return outlook.counted()
