"""Calibration: the cheapest route that the evidence supports."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from farebox.calibration.bench import Chosen
    from farebox.calibration.forecast import (
        JUDGING,
        answers,
        answers_by_target,
        most_answers,
        tokens_read,
        tokens_written,
    )
    from farebox.calibration.run import Asked, calibrate_operation, may_go_on, try_case

__all__ = [
    "JUDGING",
    "Asked",
    "Chosen",
    "answers",
    "answers_by_target",
    "calibrate_operation",
    "may_go_on",
    "most_answers",
    "tokens_read",
    "tokens_written",
    "try_case",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "JUDGING": "farebox.calibration.forecast",
            "answers": "farebox.calibration.forecast",
            "answers_by_target": "farebox.calibration.forecast",
            "most_answers": "farebox.calibration.forecast",
            "tokens_read": "farebox.calibration.forecast",
            "tokens_written": "farebox.calibration.forecast",
            "Asked": "farebox.calibration.run",
            "Chosen": "farebox.calibration.bench",
            "calibrate_operation": "farebox.calibration.run",
            "may_go_on": "farebox.calibration.run",
            "try_case": "farebox.calibration.run",
        },
    )
