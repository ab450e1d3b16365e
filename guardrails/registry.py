"""Guards from their declarations: a name, a class, and options that its constructor checks.

A guard called ``x`` is the class in ``guardrails/guards/x.py`` whose ``name`` is ``x``; a team's own may be anywhere,
and its declaration says where (``use = "company.tone"``). Options are the parameters of the class; components of
Farebox (a callable that asks a model, the ledger's moving windows) are passed by the parameter's name.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, cast

from guardrails.base import Guard
from pricing import ConfigError

_BUILT_IN = {
    "context": "guardrails.guards.context_limit",
    "inappropriate": "guardrails.guards.toxicity",
    "injection": "guardrails.guards.prompt_injection",
    "pii": "guardrails.pii.guard",
    "rate": "guardrails.guards.rate_limit",
    "scope": "guardrails.guards.topic_scope",
}
"""Where a guard is whose name in farebox.toml is not its module's."""


def find_guard(name: str, module: str = "") -> type[Guard]:
    """The class of a guard.

    Args:
        name: of the guard.
        module: where it is; ``guardrails.guards.<name>`` if left out.

    Raises:
        ConfigError: there is none.
    """
    place = module or _BUILT_IN.get(name, f"guardrails.guards.{name}")
    try:
        loaded = importlib.import_module(place)
    except ImportError as fault:
        if fault.name is not None and not (place == fault.name or place.startswith(f"{fault.name}.")):
            raise _broken(name, place, fault) from None  # the module is there, and misses something of its own
        raise _no_guard(name, place) from None
    except Exception as fault:  # noqa: BLE001 - it is the team's own module: anything may come of it
        raise _broken(name, place, fault) from None
    for found in vars(loaded).values():
        if isinstance(found, type) and getattr(found, "name", None) == name and hasattr(found, "check"):
            return cast("type[Guard]", found)
    raise _no_guard(name, place)


def _complete(guard: Guard, place: str) -> Guard:
    """The guard, if it has all that one has.

    Raises:
        ConfigError: something is missing or wrong.
    """
    faults = [f"no {wanted}" for wanted in ("version", "direction", "rank") if not hasattr(guard, wanted)]
    if not faults and guard.direction not in {"input", "output"}:
        faults = ["a direction that is neither input nor output"]
    if faults:
        raise ConfigError(
            f"{place}: its class {type(guard).__name__} has {' and '.join(faults)}.",
            next_step="Give it name, version, direction and rank, as docs/guardrails.md shows.",
        )
    return guard


def _broken(name: str, place: str, fault: Exception) -> ConfigError:
    where = f" in line {fault.lineno}" if isinstance(fault, SyntaxError) and fault.lineno else ""
    message = (fault.msg if isinstance(fault, SyntaxError) else str(fault)).rstrip(".")
    return ConfigError(
        f"The module {place} of the guard {name!r} cannot be imported: {type(fault).__name__}: {message}{where}.",
        next_step="Fix that module.",
        guard=name,
    )


def build_guard(guard: type[Guard], options: Mapping[str, object], parts: Mapping[str, object], place: str) -> Guard:
    """The guard with these options.

    Args:
        guard: its class.
        options: as declared.
        parts: components of Farebox, by the names that constructors use for them.
        place: where the options were written, for errors.

    Raises:
        ConfigError: an option is unknown, missing or wrong; its value is not repeated.
    """
    from pydantic import TypeAdapter, ValidationError

    given: dict[str, Any] = {}
    parameters = inspect.signature(guard, eval_str=True).parameters
    allowed = [name for name in parameters if name not in parts]
    if unknown := sorted(set(options) - set(allowed)):
        near = get_close_matches(unknown[0], allowed, 1)
        meant = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(allowed) or 'none'}."
        raise ConfigError(f"{place}: there is no option {unknown[0]!r}.", next_step=f"In farebox.toml, {meant}")
    for name, parameter in parameters.items():
        if name in parts:
            given[name] = parts[name]
        elif name in options:
            try:
                given[name] = TypeAdapter(parameter.annotation).validate_python(options[name])
            except ValidationError as error:
                message = error.errors(include_input=False, include_url=False)[0]["msg"]
                raise _wrong(place, name, message) from None
        elif parameter.default is parameter.empty:
            raise ConfigError(f"{place}: {name!r} is missing.", next_step="Write it into farebox.toml.")
    try:
        return _complete(guard(**given), place)
    except (ValueError, OSError) as error:
        raise _wrong(place, "", str(error)) from None
    except ConfigError:
        raise
    except Exception as error:  # noqa: BLE001 - of the team's own class anything may come
        raise _wrong(place, "", f"its class raised {type(error).__name__}: {error}") from None


def _wrong(place: str, option: str, why: str) -> ConfigError:
    where = f"{place}.{option}" if option else place
    message = why.removeprefix("Value error, ").rstrip(".")
    return ConfigError(f"{where}: {message}.", next_step="Fix it in farebox.toml.")


def _no_guard(name: str, place: str) -> ConfigError:
    return ConfigError(
        f"There is no guard {name!r} in {place}.",
        next_step='Check its name in [guards]; for a guard of your own say where it is: use = "package.module".',
        guard=name,
    )
