"""The checks of `farebox doctor --economics`: decisions in one's own ledger that cost money, each with its evidence.

They are recurring failure modes of AI products: one model for everything, a premium model for light work, no fallback
when a provider fails, costs and outcomes without a price, prices that are never reviewed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from farebox.overview import first_of_tier
from farebox.price_review import last_review, reviewed_version
from farebox.runtime import Runtime
from pricing import Nano, format_money, from_us, gross_margin
from pricing.reports import (
    CostTrend,
    EconomicSigns,
    Row,
    RunSelection,
    at_rates,
    cost_trends,
    drop_sentence,
    find_cache_drops,
    percent,
    plural,
    signs,
)

QUARTER = timedelta(days=90)
_ALL, _SEVERAL = 0.95, 3
"""One model for everything: this share of what was spent, over so many operations."""
_SHORT_INPUT, _SHORT_ANSWER = 4_000, 300
"""Tokens on the mean, up to which an operation looks light: a summary, an extraction, a choice of tool."""
_WORTH = 0.01
"""The share of spend from which a finding is worth fixing."""
_PRICES, _FOLLOWS, _ENOUGH = 5, 0.9, 20
"""Priced by tokens: so many prices, going with the costs of so many outcomes by this correlation."""


@dataclass(frozen=True, slots=True)
class EconomicFinding:
    """The result of one check. ``at_stake`` is in nano-dollars over the period; ``evidence`` holds the rows behind it.
    Nothing is at stake unless it was ``found``.
    """

    check: str
    found: bool
    message: str
    at_stake: Nano = 0
    next_step: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        data = asdict(self)
        return {**data, "at_stake_nano": data.pop("at_stake")}


@dataclass(frozen=True, slots=True)
class EconomicsContext:
    """The inputs of the checks."""

    runtime: Runtime
    signs: EconomicSigns
    margin: float
    now: datetime
    trends: Mapping[tuple[str, str], CostTrend]

    @property
    def spent(self) -> Nano:
        """The cost of all runs, in nano-dollars."""
        return sum(row["cost_nano"] for row in self.signs.runs)

    @property
    def routed(self) -> list[Row]:
        """The costs of operations by model, without calibrations, which call every model on purpose."""
        return [row for row in self.signs.operations if not row["calibrates"]]

    @property
    def charged(self) -> Nano:
        """The charges for all outcomes, in nano-dollars."""
        return sum(row["charged_nano"] for row in self.signs.runs)


def diagnose(
    runtime: Runtime, *, days: float = 30, margin: float = 0.6, now: datetime | None = None
) -> list[EconomicFinding] | None:
    """Every finding, also those without a problem; ``None`` if there were no runs in the period.

    Args:
        runtime: the project.
        days: how far back to look.
        margin: the gross margin to reach.
        now: the moment of looking.

    Raises:
        LedgerBusy: another process uses the replica's file.
    """
    moment = now or datetime.now(UTC)
    since = moment - timedelta(days=days)
    found = signs(runtime.replica, RunSelection(since=since))
    if found is None:
        return None
    trends = cost_trends(runtime.replica, since, now=moment)
    mine = {(one.automation, one.quality): one for one in trends if one.stand_in == found.stand_in}
    case = EconomicsContext(runtime, found, margin, moment, mine)
    return [symptom for check in CHECKS for symptom in check(case)]


def one_model(case: EconomicsContext) -> Iterator[EconomicFinding]:
    """One model for everything."""
    rows = [row for row in case.routed if row["cost_nano"]]
    operations = {row["operation"] for row in rows}
    models: dict[str, Nano] = {}
    for row in rows:
        models[row["model"]] = models.get(row["model"], 0) + row["cost_nano"]
    most_expensive = max(models, key=lambda model: models[model], default="")
    share = models.get(most_expensive, 0) / max(sum(models.values()), 1)
    evidence = {"model": most_expensive, "share": share, "operations": sorted(operations)}
    if len(operations) >= _SEVERAL and share >= _ALL:
        yield EconomicFinding(
            "one model",
            True,
            f"{percent(share)} of what {len(operations)} operations cost went to {most_expensive}",
            _extra_over_light(case, [row for row in rows if row["model"] == most_expensive]),
            "Give each operation the tier it needs: `farebox calibrate` finds the cheapest that is good enough.",
            evidence,
        )
    else:
        message = (
            f"{len(operations)} operations at {len(models)} models; {percent(share)} went to {most_expensive or 'none'}"
        )
        yield EconomicFinding("one model", False, message, evidence=evidence)


def premium_for_light(case: EconomicsContext) -> Iterator[EconomicFinding]:
    """Premium models for light operations."""
    light = [
        row
        for row in case.routed
        if row["tier"] == "premium"
        and row["answers"]
        and (row["input_tokens"] or 0) <= _SHORT_INPUT * row["answers"]
        and (row["output_tokens"] or 0) <= _SHORT_ANSWER * row["answers"]
    ]
    found = [(row, stake) for row in light if (stake := _extra_over_light(case, [row])) > _WORTH * row["cost_nano"]]
    for row, stake in found:
        read, wrote = ((row[name] or 0) // row["answers"] for name in ("input_tokens", "output_tokens"))
        yield EconomicFinding(
            "premium for light work",
            True,
            f"{row['operation']} asks {row['model']} ({format_money(row['cost_nano'])}) for {read:,} tokens in and "
            f"{wrote:,} out on the mean: this looks like light work",
            stake,
            f'Set tier="light" on {row["operation"]}, once `farebox calibrate` shows that it is good enough.',
            {"operation": row["operation"], "model": row["model"], "input_mean": read, "output_mean": wrote},
        )
    if not found:
        yield EconomicFinding("premium for light work", False, "no light operation is sent to a premium model")


def cross_provider(case: EconomicsContext) -> Iterator[EconomicFinding]:
    """No fallback to another provider."""
    providers = sorted({target.provider for target in case.runtime.router.targets})
    evidence = {"providers": providers}
    if len(providers) < 2:  # noqa: PLR2004 - one more than one
        yield EconomicFinding(
            "cross-provider fallback",
            True,
            f"every target is {providers[0]}'s: if it fails, there is no other" if providers else "there is no target",
            case.charged or case.spent,
            "Add a target of another provider to farebox.toml, and its key.",
            evidence,
        )
    else:
        yield EconomicFinding("cross-provider fallback", False, f"targets of {', '.join(providers)}", evidence=evidence)


def unpriced(case: EconomicsContext) -> Iterator[EconomicFinding]:
    """Costs without reported usage, and outcomes without a price."""
    unknown = sum(row["unknown_nano"] for row in case.signs.operations)
    if unknown > _WORTH * max(case.spent, 1):
        names = sorted({row["operation"] for row in case.signs.operations if row["unknown_nano"]})
        yield EconomicFinding(
            "unpriced costs",
            True,
            f"{format_money(unknown)} of {format_money(case.spent)} are worst cases, because no usage was reported "
            f"({', '.join(names)})",
            unknown,
            "See which targets time out (`farebox models`), and give them a longer read_timeout.",
            {"unknown_nano": unknown, "operations": names},
        )
    else:
        yield EconomicFinding("unpriced costs", False, "what attempts cost is known from their usage")
    without = [row for row in case.signs.runs if row["unpriced"]]
    for row in without:
        yield EconomicFinding(
            "unpriced outcomes",
            True,
            f"{plural(row['unpriced'], 'outcome')} of {_name(row)} had no known price",
            row["cost_nano"],
            'Give it one, like price="3 credits", and set [credits] value to the value of a credit.',
            {"automation": row["automation"], "quality": row["quality"], "outcomes": row["unpriced"]},
        )
    if not without:
        yield EconomicFinding("unpriced outcomes", False, "every outcome that was reached has a price")


def unattributed(case: EconomicsContext) -> Iterator[EconomicFinding]:
    """Runs without an owner beside others with one."""
    runs, unowned = (sum(row[name] for row in case.signs.runs) for name in ("runs", "unowned"))
    if 0 < unowned < runs:
        names = list(dict.fromkeys(row["automation"] for row in case.signs.runs if row["unowned"]))
        yield EconomicFinding(
            "unattributed runs",
            True,
            f"{unowned:,} of {plural(runs, 'run')} are of no user and no organisation ({', '.join(names)})",
            sum(row["unowned_nano"] for row in case.signs.runs),
            "Give each run an owner: parameters named user and org, or --user and --org.",
            {"runs": unowned, "automations": names},
        )
    else:
        message = "every run has an owner" if not unowned else "no run has an owner: one owner pays for all"
        yield EconomicFinding("unattributed runs", False, message)


def cost_change(case: EconomicsContext) -> Iterator[EconomicFinding]:
    """Costs per outcome that have risen; the amount at stake is the additional cost of the newest outcomes."""
    risen = [
        (trend, change, new, old)
        for trend in case.trends.values()
        for change, new, old in ((trend.within, trend.recent, None), (trend.against, trend.window, trend.before))
        if change is not None and change.differs and change.ratio > 1
    ]
    for trend, change, new, old in risen:
        message = trend.sentences(until=case.now)
        yield EconomicFinding(
            "cost change",
            True,
            f"{trend.automation} {trend.quality}: {message[0] if old is None else message[-1]}".removesuffix("."),
            round(new.cost_nano * (1 - 1 / change.ratio)),
            f"`farebox report {trend.automation}` shows its operations, `farebox packaging` a price.",
            {"automation": trend.automation, "quality": trend.quality, "ratio": change.ratio},
        )
    if not risen:
        yield EconomicFinding("cost change", False, "no outcome costs more than before, within the margin of error")


def cache_drop(case: EconomicsContext) -> Iterator[EconomicFinding]:
    """Operations that read less from prompt caches than before; the amount at stake is what reading would have saved
    since.
    """
    found = [
        (row, drop)
        for row in case.signs.runs
        for drop in find_cache_drops(
            case.runtime.store, row["automation"], row["quality"], stand_in=case.signs.stand_in
        )
    ]
    for row, drop in found:
        yield EconomicFinding(
            "cache drop",
            True,
            f"{_name(row)}: {drop_sentence(drop)}".removesuffix("."),
            0,
            _CACHE_ADVICE[drop.cause],
            {
                "automation": row["automation"],
                "quality": row["quality"],
                "operation": drop.operation,
                "since_run": drop.since_run,
                "runs": drop.runs,
                "before": drop.before,
                "now": drop.now,
                "cause": drop.cause,
            },
        )
    if not found:
        yield EconomicFinding("cache drop", False, "no operation reads less from prompt caches than before")


_VARIES = "Move variable text behind the static part: into the user block of its prompt."
_CACHE_ADVICE: Mapping[str, str] = {
    "model": "Put the previous model first, or expect the cost of the new one (`farebox models --prices`).",
    "place": "Keep an operation at one region and account, or accept that each has a cache of its own.",
    "minimum": "Lengthen the static part up to the minimum, or do not rely on its cache.",
    "tools": "Give the same tools in the same order to every turn.",
    "schema": "Keep the answer's type the same from turn to turn.",
    "system": _VARIES,
    "messages": _VARIES,
    "expired": "Run it more often than its cache expires, or several inputs in one run.",
    "unknown": "Check whether its turns are sent together (docs/prompt-caches.md), and ask the provider.",
}


def low_margin(case: EconomicsContext) -> Iterator[EconomicFinding]:
    """Margins below the target, at present; outcomes with a price of zero have none."""
    low = []
    for row in case.signs.runs:
        cost, charged, when = row["cost_nano"], row["charged_nano"], ""
        trend = case.trends.get((row["automation"], row["quality"]))
        if trend is not None and trend.moved and trend.recent.charged_nano is not None:
            cost, charged = trend.recent.cost_nano, trend.recent.charged_nano
            when = f" in the last 7 days ({percent(trend.window.gross_margin)} over the whole period)"
        margin = None if row["unpriced"] else gross_margin(charged, cost)
        if margin is not None and margin < case.margin:
            low.append((row, margin, cost, charged, when))
    for row, margin, cost, charged, when in low:
        yield EconomicFinding(
            "margin",
            True,
            f"{_name(row)} earns a gross margin of {percent(margin)}{when}, and {percent(case.margin)} is the target: "
            f"{format_money(charged)} for what cost {format_money(cost)}",
            round(cost / (1 - case.margin)) - charged,
            f"`farebox packaging {row['automation']} --quality {row['quality']}` suggests a price; "
            "`farebox rates review` cheaper targets.",
            {
                "automation": row["automation"],
                "quality": row["quality"],
                "gross_margin": margin,
                "target": case.margin,
            },
        )
    if not low:
        yield EconomicFinding("margin", False, f"no automation that is sold earns less than {percent(case.margin)}")


def old_price(case: EconomicsContext) -> Iterator[EconomicFinding]:
    """Prices that are older than a quarter, or than the rate card, and were not reviewed since."""
    version, reviewed = case.runtime.rates.version, last_review(case.runtime)
    recently = reviewed is not None and case.now - reviewed < QUARTER
    sold: dict[str, Nano] = {}
    for row in case.signs.runs:
        if row["charged_nano"]:
            sold[row["automation"]] = sold.get(row["automation"], 0) + row["charged_nano"]
    found = []
    for row in case.signs.prices:
        since = from_us(row["since"])
        aged = case.now - since > QUARTER and not recently
        changed = row["rate_version"] != version and reviewed_version(case.runtime) != version
        if row["automation"] in sold and (aged or changed):
            found.append((row["automation"], since, aged, row["rate_version"]))
    for name, since, aged, rates in found:
        why = "more than a quarter ago" if aged else f"at other rates ({rates}; now {version})"
        yield EconomicFinding(
            "old price",
            True,
            f"the price of {name} was set {why}, on {since:%Y-%m-%d}, and prices were not reviewed since",
            sold[name],
            "`farebox rates review` shows its margin at today's rates.",
            {"automation": name, "since": since.isoformat(), "rates": rates},
        )
    if not found:
        yield EconomicFinding(
            "old price", False, "prices are younger than a quarter and the rate card, or were reviewed"
        )


def by_tokens(case: EconomicsContext) -> Iterator[EconomicFinding]:
    """Prices that follow what each run cost."""
    found = [
        row
        for row in case.signs.runs
        if row["prices"] >= _PRICES and row["outcomes"] >= _ENOUGH and row["follows"] >= _FOLLOWS
    ]
    for row in found:
        yield EconomicFinding(
            "priced by tokens",
            True,
            f"{_name(row)} sold {plural(row['outcomes'], 'outcome')} at {plural(row['prices'], 'price')} that "
            f"go with what each cost (correlation {row['follows']:.2f})",
            row["charged_nano"],
            "Sell the outcome at one price: customers can plan with it, and a cheaper model increases your margin.",
            {
                "automation": row["automation"],
                "quality": row["quality"],
                "prices": row["prices"],
                "correlation": row["follows"],
            },
        )
    if not found:
        yield EconomicFinding("priced by tokens", False, "no price goes with the tokens of a run")


def unreviewed_guards(case: EconomicsContext) -> Iterator[EconomicFinding]:
    """Guards that block or change content without review."""
    acting: dict[str, list[int]] = {}
    for row in case.signs.guards:
        if row["mode"] == "enforce":
            counts = acting.setdefault(row["guard"], [0, 0])
            counts[0] += row["times"]
            counts[1] += row["reviewed"]
    blind = {guard: times for guard, (times, reviewed) in acting.items() if not reviewed}
    if blind:
        message = ", ".join(f"{guard} ({times:,} ×)" for guard, times in sorted(blind.items()))
        blocked = [row for row in case.signs.runs if row["blocked"] and row["outcomes"]]
        yield EconomicFinding(
            "guards without review",
            True,
            f"not reviewed yet: what these guards stopped or changed: {message}",
            sum(row["charged_nano"] // row["outcomes"] * row["blocked"] for row in blocked),
            "`farebox guards review` shows them one by one; a wrong block loses an outcome.",
            {"guards": blind},
        )
    else:
        message = "every decision of guards was reviewed" if acting else "no guard has stopped or changed anything"
        yield EconomicFinding("guards without review", False, message)


def no_limit(case: EconomicsContext) -> Iterator[EconomicFinding]:
    """Automations that no budget of a day, week or month limits."""
    for row in case.signs.budgets:
        yield EconomicFinding(
            "no limit",
            True,
            f"no budget of a day, week or month limited {plural(row['runs'], 'run')} of {row['automation']}",
            row["spent_nano"],
            f'Set one: `farebox budgets set automation {row["automation"]} month "… USD"`.',
            {"automation": row["automation"], "runs": row["runs"]},
        )
    if not case.signs.budgets:
        yield EconomicFinding("no limit", False, "every run was held on a budget with a window")


CHECKS: tuple[Callable[[EconomicsContext], Iterator[EconomicFinding]], ...] = (
    one_model,
    premium_for_light,
    cross_provider,
    unpriced,
    unattributed,
    cost_change,
    cache_drop,
    low_margin,
    old_price,
    by_tokens,
    unreviewed_guards,
    no_limit,
)
"""In display order."""


def _name(row: Row) -> str:
    return f"{row['automation']} {row['quality']}"


def _extra_over_light(case: EconomicsContext, rows: list[Row]) -> Nano:
    """The cost of rows above the price of the same tokens at the project's light target; zero without such a target."""
    light = first_of_tier(case.runtime, "light")
    if light is None:
        return 0
    return sum(
        max(0, row["cost_nano"] - row["unknown_nano"] - at_rates(row, light.rates))
        for row in rows
        if row["input_tokens"] is not None
    )
