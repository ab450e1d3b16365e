"""What a request may ask for beside its messages, and how each provider expresses it; a provider that cannot is left
out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from pricing import record

if TYPE_CHECKING:
    from tasks.providers.messages import ModelRequest

Option: TypeAlias = Literal["tool_choice", "tool_choice none", "parallel_tool_calls", "stop", "top_p", "seed", "strict"]
"""``tool_choice``: required, or one tool by its name; ``tool_choice none``: tools are shown, and may not be called."""
ALL_OPTIONS: Final[frozenset[Option]] = frozenset(get_args(Option))

CHAT_OPTIONS: Final[frozenset[Option]] = ALL_OPTIONS - {"strict"}
"""What servers that speak OpenAI's Chat Completions take."""


@record(frozen=True, slots=True)
class RequestOptions:
    """What a request asks for beside its messages.

    Args:
        tool_choice: ``auto``, ``none``, ``required`` (any tool), or the name of the tool that must be called.
        parallel_tool_calls: False: at most one call in a reply; None: as the provider does it.
        stop: texts that end the answer; most providers take at most 4.
        top_p: the share of probability that is sampled from, above 0 and at most 1.
        seed: for answers that can be repeated as far as the provider can; best effort.
        derived: whether ``tool_choice`` was derived rather than requested, so that the reader of the
            answer can do without. A target that takes no such choice is asked with ``auto``.

    Raises:
        ValueError: a value that no provider takes.
    """

    tool_choice: str = "auto"
    parallel_tool_calls: bool | None = None
    stop: tuple[str, ...] = ()
    top_p: float | None = None
    seed: int | None = None
    derived: bool = False

    def __post_init__(self) -> None:
        if not self.tool_choice:
            raise ValueError("tool_choice is empty; use auto, none, required or a tool's name")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}; use a number above 0, at most 1")
        if not all(self.stop):
            raise ValueError("an empty text cannot end an answer")


NO_OPTIONS: Final = RequestOptions()


class OptionRefused(ValueError):
    """A target does not support what the request asks for; the message names it."""


def asked_options(request: ModelRequest) -> list[Option]:
    """The options that a request asks for."""
    given = request.options
    found: list[Option] = ["strict"] if any(tool.strict for tool in request.tools) else []
    if given is NO_OPTIONS:
        return found
    if given.tool_choice != "auto" and not given.derived:
        found.append("tool_choice none" if given.tool_choice == "none" else "tool_choice")
    if given.parallel_tool_calls is False:
        found.append("parallel_tool_calls")
    found += ["stop"] if given.stop else []
    found += ["top_p"] if given.top_p is not None else []
    return [*found, "seed"] if given.seed is not None else found


def refusal(options: frozenset[Option], request: ModelRequest) -> str | None:
    """The reason why a provider with these options cannot take a request; None if it can."""
    choice = request.options.tool_choice
    if choice not in {"auto", "none"} and not request.tools:
        return "was given tool_choice without tools"
    if choice not in {"auto", "none", "required"} and choice not in {tool.name for tool in request.tools}:
        return f"was given a tool_choice that is not among its tools: {choice[:60]!r}"
    missing = [option for option in asked_options(request) if option not in options]
    return f"takes no {', '.join(missing)}" if missing else None


def require(options: frozenset[Option], request: ModelRequest) -> None:
    """Check that a provider can take a request.

    Raises:
        OptionRefused: it cannot.
    """
    if (why := refusal(options, request)) is not None:
        raise OptionRefused(why)
