"""Numbers that a schema admits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from tasks.providers.messages import JSONObject
from tasks.sandbox.answers.schema import Unfillable

_TINY: Final = Decimal("1e-6")


def fit_number(wish: float | None, schema: JSONObject, *, whole: bool) -> int | float:
    """The admitted number nearest to ``wish``; without one, the middle of a closed range or the end of an open one.

    Raises:
        Unfillable: no number is admitted.
    """
    step = _step(schema, whole=whole)
    low, high = _bounds(schema, step)
    if wish is not None and math.isfinite(wish):
        value = Decimal(repr(wish))
    elif low is not None and high is not None:
        value = (low + high) / 2
    else:
        value = Decimal(0) if low is None else low.to_integral_value("ROUND_CEILING")
    if low is not None:
        value = max(value, low)
    if high is not None:
        value = min(value, high)
    if step is not None:
        value = _snap(value, step, low, high)
    if (low is not None and value < low) or (high is not None and value > high):
        raise Unfillable("a range without numbers")
    return int(value) if whole or value == value.to_integral_value() else float(value)


def unlike(values: Sequence[int | float], schema: JSONObject, *, whole: bool) -> int | float:
    """An admitted number that is not in ``values``.

    Raises:
        Unfillable: there is none near them.
    """
    step = float(_step(schema, whole=whole) or Decimal(str(schema.get("multipleOf", "0.125"))))
    for distance in range(1, len(values) + 2):
        for value in (values[0] + distance * step, values[0] - distance * step):
            fitted = fit_number(value, schema, whole=whole)
            if fitted not in values:
                return fitted
    raise Unfillable("not enough different numbers")


def _step(schema: JSONObject, *, whole: bool) -> Decimal | None:
    multiple = schema.get("multipleOf")
    if multiple is None:
        return Decimal(1) if whole else None
    step = Decimal(str(multiple))
    return step * step.as_integer_ratio()[1] if whole else step


def _bounds(schema: JSONObject, step: Decimal | None) -> tuple[Decimal | None, Decimal | None]:
    low, high = _decimal(schema.get("minimum")), _decimal(schema.get("maximum"))
    above, below = _decimal(schema.get("exclusiveMinimum")), _decimal(schema.get("exclusiveMaximum"))
    gap = step or min(_TINY, ((below - above) / 2 if above is not None and below is not None else _TINY))
    if above is not None:
        inner = (above / gap).to_integral_value("ROUND_FLOOR") * gap + gap if step else above + gap
        low = inner if low is None else max(low, inner)
    if below is not None:
        inner = (below / gap).to_integral_value("ROUND_CEILING") * gap - gap if step else below - gap
        high = inner if high is None else min(high, inner)
    return low, high


def _snap(value: Decimal, step: Decimal, low: Decimal | None, high: Decimal | None) -> Decimal:
    snapped = (value / step).to_integral_value() * step
    if low is not None and snapped < low:
        snapped = (low / step).to_integral_value("ROUND_CEILING") * step
    if high is not None and snapped > high:
        snapped = (high / step).to_integral_value("ROUND_FLOOR") * step
    return snapped


def _decimal(value: object) -> Decimal | None:
    return Decimal(repr(value)) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
