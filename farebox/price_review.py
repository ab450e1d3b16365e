"""Price reviews of a project: what a change of rates, date or model would do to its automations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from farebox.config.settings import TargetSettings, load_settings
from farebox.runtime import Runtime
from pricing import NothingUsed, UsageError
from pricing.analysis import Rates, Review, ReviewCandidate, review
from pricing.rates import RateCard
from pricing.reports import escape_markdown, review_markdown
from tasks.providers import price_list_of

_VERSION = "rate-card.txt"
_STAMP = "%Y-%m-%d-%H%M%S"
"""How a review's page is named; in UTC."""


@dataclass(frozen=True, slots=True)
class ReviewQuery:
    """The change that a price review compares with today.

    Args:
        days: how many days of past usage are repriced.
        on: the date whose rates apply; today by default.
        card: a folder whose farebox.toml has other [[rates]]; by default this project's.
        moved: replaced targets and their replacements, by name.
        inflation: tokens of a replacement's tokenizer per token of the replaced one.
        margin: the gross margin to reach; 0.6 is 60%.

    Example:
        ``ReviewQuery(days=90, moved={"haiku": "gpt-oss"}, inflation=1.1)``
    """

    days: float = 30
    on: date | None = None
    card: Path | None = None
    moved: Mapping[str, str] = field(default_factory=dict)
    inflation: float = 1.0
    margin: float = 0.6

    @property
    def title(self) -> str:
        """The query as a sentence."""
        moved = [f"{old} → {new}" for old, new in self.moved.items()]
        factor = [f"{self.inflation:g} tokens for one"] if self.inflation != 1 else []
        card = [f"rates of {self.card}"] if self.card else []
        day = [f"rates of {self.on}"] if self.on else []
        return ", ".join([*card, *day, *moved, *factor]) or "today's rates"

    @property
    def markdown(self) -> str:
        """The same for Prefect, which shows descriptions as Markdown."""
        return escape_markdown(self.title)


def make_review(runtime: Runtime, question: ReviewQuery) -> Review:
    """The review; of answers by the sandbox where no model has answered in that time.

    Raises:
        NothingUsed: nothing was used.
        UsageError: there is no target of that name.
        UnknownPrice: a model has no rate there.
    """
    now = datetime.now(UTC)
    at = now if question.on is None else datetime.combine(question.on, time(), UTC)
    card = runtime.rates if question.card is None else other_card(question.card)
    targets = [ReviewCandidate(t.name, t.provider, t.model, _ends(t, now.date())) for t in runtime.settings.targets]
    after = Rates(card, at, _moved(targets, question.moved), question.inflation)
    runtime.replica.sync()
    for stand_in in (False, True):
        try:
            return review(
                runtime.replica,
                Rates(runtime.rates, now),
                after,
                period=(now - timedelta(days=question.days), now),
                targets=targets,
                target_margin=question.margin,
                stand_in=stand_in,
            )
        except NothingUsed:
            if stand_in:
                raise
    raise AssertionError("the second one returns or raises")


def reviewed(runtime: Runtime, question: ReviewQuery) -> Path | None:
    """The place of a review that is made now; ``None`` where nothing was used that one could review."""
    try:
        found = make_review(runtime, question)
    except NothingUsed:
        return None
    return write_review(runtime, question, found)


def write_review(runtime: Runtime, question: ReviewQuery, found: Review) -> Path:
    """Write the review as a page below ``reviews/``; its place."""
    folder = runtime.home / "reviews"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{found.until.strftime(_STAMP)}.md"
    path.write_text(review_markdown(found, question.title), "utf-8")
    (folder / _VERSION).write_text(found.version_before, "utf-8")
    return path


def reviewed_version(runtime: Runtime) -> str | None:
    """The version of the rate card at the last review, if there was one."""
    path = runtime.home / "reviews" / _VERSION
    return path.read_text("utf-8") if path.exists() else None


def last_review(runtime: Runtime) -> datetime | None:
    """When prices were last reviewed, if ever."""
    pages = sorted((runtime.home / "reviews").glob("20*.md"))
    return datetime.strptime(pages[-1].stem, _STAMP).replace(tzinfo=UTC) if pages else None


def other_card(folder: Path) -> RateCard:
    """The rate card of another project's folder.

    Raises:
        ConfigError: its settings are wrong.
        UsageError: it has none.
    """
    if not (folder / "farebox.toml").is_file():
        raise UsageError(f"{folder} has no farebox.toml.", next_step="Name a folder that has one, with [[rates]].")
    return RateCard.load((rate.rate() for rate in load_settings(folder).rates), price_lists=price_list_of)


def _ends(target: TargetSettings, today: date) -> date | None:
    """When a target's model ends, where farebox.toml says so or the known date is near."""
    ends = target.end_of_life
    return ends.on if ends is not None and (target.retires or ends.is_near(today)) else None


def _moved(targets: list[ReviewCandidate], names: Mapping[str, str]) -> dict[tuple[str, str], tuple[str, str]]:
    known = {target.name: (target.provider, target.model) for target in targets}
    for name in [*names, *names.values()]:
        if name not in known:
            raise UsageError(f"There is no target {name[:40]!r}.", next_step=f"There are: {', '.join(known)}.")
    return {known[old]: known[new] for old, new in names.items()}
