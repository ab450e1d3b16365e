"""Lists of runs and overviews in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from pricing.money import Nano, format_money
from pricing.reports.overview_shapes import Overview, Section
from pricing.reports.run_list import RunLine
from pricing.reports.run_lookup import START
from pricing.reports.sentences import saved_sentence
from pricing.reports.tables import GOOD, QUIET, WARNING, line, outcome, savings_table, table
from pricing.reports.words import SANDBOX, UNKNOWN, count, moment, percent, plural

_SHORT_ID = 13
"""Characters of an id: in Prefect's, which begin with the time, those up to the millisecond."""
_MOST_DAYS = 31
_MOST_ROWS = 20
_BAR = 24


def runs_in_terminal(lines: Sequence[RunLine]) -> Group:
    """One table for runs that models answered, one for those of the sandbox."""
    if not lines:
        return _nothing("No runs yet.")
    real, sandbox = ([one for one in lines if one.stand_in == which] for which in (False, True))
    parts: list[RenderableType] = [_runs("Runs", real)] if real else []
    if sandbox:
        parts += [_runs("Runs of the sandbox", sandbox), line((SANDBOX, WARNING))]
    return Group(*parts)


def overview_in_terminal(overview: Overview) -> Group:
    """What was spent and where, for models and for the sandbox apart."""
    sections = [section for section in (overview.real, overview.sandbox) if section is not None]
    if not sections:
        return _nothing("No runs in this period." if overview.since or overview.until else "No runs yet.")
    parts: list[RenderableType] = [_period(overview)]
    for section in sections:
        parts += _section(section)
    return Group(*parts)


def _nothing(what: str) -> Group:
    return Group(line((what, "bold")), line((START, QUIET)))


def _runs(title: str, lines: Sequence[RunLine]) -> RenderableType:
    length = _telling_length([one.run_id for one in lines])
    rows: list[list[str | Text]] = [
        [
            one.run_id[:length],
            one.automation,
            outcome(one.outcome),
            f"{one.started_at:%m-%d %H:%M}",
            count(one.turns),
            format_money(one.p95_nano),
            line((format_money(one.spent_nano), WARNING if one.spent_nano > one.p95_nano else "")),
        ]
        for one in lines
    ]
    columns = ["run", "automation", "outcome", "began (UTC)", "turns", "p95", "spent"]
    return table(title, columns, rows, names=3)


def _telling_length(ids: Sequence[str]) -> int:
    """How much of the ids to show so that no two look alike."""
    longest = max(map(len, ids))
    return next((n for n in range(_SHORT_ID, longest) if len({one[:n] for one in ids}) == len(ids)), longest)


def _period(overview: Overview) -> Text:
    since = moment(overview.since) if overview.since else "the first run"
    until = moment(overview.until) if overview.until else "now"
    return line((overview.automation or "All automations", "bold"), (f"  from {since} to {until}", QUIET))


def _section(section: Section) -> Iterator[RenderableType]:
    yield Text()
    if section.stand_in:
        yield line(("Sandbox  ", "bold"), _totals(section))
        yield line((SANDBOX, WARNING))
    else:
        yield line(("Spent  ", "bold"), _totals(section))
        if section.stand_in_nano:
            yield line((f"{format_money(section.stand_in_nano)} of it: {SANDBOX}", WARNING))
    yield line((", ".join(f"{count(one.runs)} {one.outcome.replace('_', ' ')}" for one in section.outcomes), QUIET))
    if section.turns:
        yield _quality(section)
    if told := saved_sentence(section.saved):
        yield line(("Saved   ", QUIET), told)
    yield _automations(section)
    yield _days(section)
    if section.operations:
        yield _operations(section)
    if section.savings:
        yield savings_table((one.operation, one.saved) for one in section.savings[:_MOST_ROWS])
    if section.blocks:
        rows = [[one.reason, one.what, count(one.count)] for one in section.blocks]
        yield table("Refused", ["reason", "what", "times"], rows, names=2)


def _totals(section: Section) -> str:
    told = (plural(section.runs, "run"), plural(section.turns, "turn"), plural(section.attempts, "attempt"))
    return f"{format_money(section.spent_nano)} in {', '.join(told)}"


def _quality(section: Section) -> Text:
    """How well runs were quoted, and how often turns had to fall back."""
    coverage, fell = section.coverage, section.fallbacks
    parts: list[str | tuple[str, str]] = []
    if coverage.runs:
        style = GOOD if coverage.within * 100 >= 95 * coverage.runs else WARNING
        parts += [
            ("Quotes  ", QUIET),
            (percent(coverage.share), style),
            f" of {plural(coverage.runs, 'completed run')} within the p95",
        ]
        if coverage.stopped:
            parts.append((f" ({count(coverage.stopped)} more stopped by a budget)", QUIET))
        parts.append("   ")
    if fell.turns:
        parts += [("Fallback  ", QUIET), f"{percent(fell.share)} of {plural(fell.turns, 'turn')}"]
    return line(*parts)


def _automations(section: Section) -> RenderableType:
    rows = [
        [one.automation, count(one.runs), _money(one.p50_nano), _money(one.p95_nano), format_money(one.spent_nano)]
        for one in section.automations[:_MOST_ROWS]
    ]
    return table("Automations", ["automation", "runs", "run p50", "run p95", "spent"], rows)


def _days(section: Section) -> RenderableType:
    shown = section.days[-_MOST_DAYS:]
    most = max((day.spent_nano for day in shown), default=0)
    rows: list[list[str | Text]] = [
        [
            f"{day.day:%a %Y-%m-%d}",
            Text("━" * (-(-day.spent_nano * _BAR // most) if most else 0), GOOD),
            count(day.runs),
            format_money(day.spent_nano),
        ]
        for day in shown
    ]
    title = "Days" if len(shown) == len(section.days) else f"Days, the last {_MOST_DAYS} with runs"
    return table(title, ["day", "", "runs", "spent"], rows, names=2)


def _operations(section: Section) -> RenderableType:
    rows = [
        [
            one.operation,
            one.model,
            count(one.attempts),
            count(one.failed),
            count(one.tokens.input),
            count(one.tokens.output),
            format_money(one.cost_nano),
            percent(one.share),
        ]
        for one in section.operations[:_MOST_ROWS]
    ]
    columns = ["operation", "model", "tries", "failed", "in", "out", "cost", "share"]
    return table("Operations by model", columns, rows, names=2)


def _money(amount: Nano | None) -> str:
    return UNKNOWN if amount is None else format_money(amount)
