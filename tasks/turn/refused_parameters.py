"""Parameters that models were found to refuse: each is sent once too often, and never again by this process."""

from __future__ import annotations

from tasks.routing.target import Target


class RefusedParameters:
    """By provider, address and model, what is not to be sent. Only what the rules of models do not know gets here."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], frozenset[str]] = {}

    def of(self, target: Target) -> frozenset[str]:
        """What a target's model refuses."""
        return self._known.get(_key(target), frozenset())

    def note(self, target: Target, parameter: str) -> bool:
        """Remember that a parameter was refused; False if that was known, so that leaving it out was no help."""
        known = self.of(target)
        self._known[_key(target)] = known | {parameter}
        return parameter not in known


def _key(target: Target) -> tuple[str, str, str]:
    return target.provider, target.base_url, target.model
