"""Names that a package offers and loads when they are first used: importing a package stays quick."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_exports(package: str, names: Mapping[str, str]) -> Callable[[str], object]:
    """A ``__getattr__`` for a package that imports each name from its module on first use.

    Args:
        package: ``__name__`` of the package.
        names: the module of each name that the package offers; ``module:name`` where it has another name there.

    Example:
        __getattr__ = lazy_exports(__name__, {"Ledger": "pricing.ledger.ledger"})
    """

    def load(name: str) -> object:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, there = names[name].partition(":")
        value = getattr(import_module(module), there or name)
        setattr(sys.modules[package], name, value)
        return value

    return load
