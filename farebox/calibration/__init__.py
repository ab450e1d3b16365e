"""Calibration: the cheapest route that the evidence supports."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from farebox.calibration.bench import Chosen
    from farebox.calibration.run import Asked, calibrate_operation, may_go_on, try_case

__all__ = ["Asked", "Chosen", "calibrate_operation", "may_go_on", "try_case"]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "Asked": "farebox.calibration.run",
            "Chosen": "farebox.calibration.bench",
            "calibrate_operation": "farebox.calibration.run",
            "may_go_on": "farebox.calibration.run",
            "try_case": "farebox.calibration.run",
        },
    )
