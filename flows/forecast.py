"""Prices the scheduled runs, and refuses those that exceed a budget before they start. To be scheduled hourly."""

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
    summary = f"{shown(outlook.expected_nano)} expected in the next {hours:g} hours"
    create_table_artifact(outlook.rows(), key="forecast", description="\n\n".join([summary, *outlook.advice()]))
    return outlook.counted()
