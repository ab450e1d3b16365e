"""Bills that were made up with differences planted in them, beside the ledger that they differ from.

It shares nothing with the readers: prices, tokens and what each planted difference comes to are its own arithmetic.
"""

import csv
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

from pricing.db import schema
from pricing.db.database import Store

FIRST = date(2026, 11, 2)
DAYS = 14
PRICES = {"input": 400, "cache_read": 100, "output": 1600}
"""Nano-dollars per token of gpt-4.1-mini; other models here cost the multiple below."""
ACCOUNTS = ("default", "second")
_IDS = {"default": "proj_a", "second": "proj_b", "elsewhere": "proj_x"}
_MODELS = {
    "openai": (("gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", 1), ("gpt-4.1", "gpt-4.1-2025-04-14", 5)),
    "anthropic": (("claude-haiku-4-5", "claude-haiku-4-5-20251001", 3), ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", 8)),
    "aws": (
        ("global.anthropic.claude-haiku-4-5-20251001-v1:0", "Claude4.5Haiku", 3),
        ("us.anthropic.claude-sonnet-4-6-v1:0", "Claude4.6Sonnet", 8),
    ),
    "openrouter": (("openai/gpt-4.1-mini", "openai/gpt-4.1-mini", 1),),
}  # fmt: skip
_LEDGER_NAMES = {"aws": "bedrock"}
Cell = tuple[date, str, int, str, str]
"""Day, account, model's place, service tier, kind of token."""


@dataclass
class Bill:
    """The provider's side: tokens and nano-dollars by cell; requests; lines of other kinds."""

    tokens: dict[Cell, int] = field(default_factory=lambda: defaultdict(int))
    nano: dict[Cell, int] = field(default_factory=lambda: defaultdict(int))
    requests: dict[tuple[date, str, int, str], int] = field(default_factory=lambda: defaultdict(int))
    others: list[tuple[date, str, int, str, int]] = field(default_factory=list)
    """Day, account, model's place, charge, nano."""
    planted: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """By cause, billed less recorded."""
    rounded: int = 0
    """What rounding the lines changed."""


class World:
    """A ledger's attempts, and the bill for them; ``plant`` makes the two differ."""

    def __init__(self, provider: str, seed: int = 7, days: int = DAYS) -> None:
        self.provider, self.days = provider, days
        self.models = _MODELS[provider]
        self.accounts = ACCOUNTS if provider != "openrouter" else ("default",)
        self.dice = random.Random(seed)
        self.bill = Bill()
        self.rows: list[dict[str, Any]] = []
        for day in range(days):
            for account in self.accounts:
                for model in range(len(self.models)):
                    for _ in range(6):
                        self.answered(FIRST + timedelta(days=day), account, model)

    def cost(self, model: int, tokens: dict[str, int]) -> int:
        return sum(count * PRICES[kind] for kind, count in tokens.items()) * self.models[model][2]

    def some_tokens(self) -> dict[str, int]:
        cached = 0 if self.provider == "openrouter" else self.dice.randrange(1000, 20_000)
        return {
            "input": self.dice.randrange(50_000, 90_000),
            "cache_read": cached,
            "output": self.dice.randrange(9_000, 20_000),
        }

    def record(self, day: date, account: str, model: int, tokens: dict[str, int] | None, **values: Any) -> None:
        """An attempt in the ledger; ``tokens`` without usage are ``None``."""
        number = len(self.rows)
        counted = tokens or {}
        began = datetime(day.year, day.month, day.day, 10, tzinfo=UTC) + timedelta(seconds=number % 3000)
        self.rows.append({
            "attempt_id": f"at-{number}", "turn_id": f"t-{number}", "run_id": f"run-{number // 50}", "operation": "o",
            "hop": 0, "ordinal": 0, "reason": "r", "target": "t",
            "provider": _LEDGER_NAMES.get(self.provider, self.provider), "account": account,
            "model": self.models[model][0], "tier": "light", "stand_in": False, "outcome": "ok", "priced": "usage",
            "input_tokens": None if tokens is None else counted["input"] + counted["cache_read"],
            "output_tokens": counted.get("output"), "cache_read_tokens": counted.get("cache_read"),
            "worst_nano": 4 * self.cost(model, counted) if tokens else 0, "cost_nano": self.cost(model, counted),
            "saved_nano": 0, "rate_version": "v1", "started_at": int(began.timestamp()) * 1_000_000,
            "duration_us": 900_000, "kind": "model", **values,
        })  # fmt: skip

    def charge(
        self,
        day: date,
        account: str,
        model: int,
        tokens: dict[str, int],
        *,
        tier: str = "standard",
        share: Decimal = Decimal(1),
        kinds: dict[str, Decimal] | None = None,
        requests: int = 1,
    ) -> int:
        """Put tokens on the bill, at a share of the price; what they come to."""
        total = 0
        for kind, count in tokens.items():
            nano = int(count * PRICES[kind] * self.models[model][2] * share * (kinds or {}).get(kind, 1))
            cell = (day, account, model, tier, kind)
            self.bill.tokens[cell] += count
            self.bill.nano[cell] += nano
            total += nano
        self.bill.requests[day, account, model, tier] += requests
        return total

    def answered(self, day: date, account: str, model: int) -> None:
        tokens = self.some_tokens()
        self.record(day, account, model, tokens)
        self.charge(day, account, model, tokens)

    def plant(self, *, discounts: bool, tiers: bool = True, prices: bool = True) -> None:
        """One difference of each class, each in a group of its own."""
        planted, day, account = self.bill.planted, FIRST, self.accounts[0]
        tokens = self.some_tokens()
        cost = self.cost(0, tokens)
        self.record(day, account, 0, tokens, started_at=_last_second(day), duration_us=30_000_000)
        self.charge(day + timedelta(days=1), account, 0, tokens)
        planted["midnight"] += 0  # it nets out over the two days
        self.midnight = cost
        day = FIRST + timedelta(days=3)
        for number in (1, 2):
            tokens = self.some_tokens()
            worst = 5 * self.cost(0, tokens)
            self.record(
                day, account, 0, None, outcome="timeout", priced="worst_case", cost_nano=worst, worst_nano=worst
            )
            billed = self.charge(day, account, 0, tokens) if number == 1 else 0
            planted["worst_case"] += billed - worst
        day = FIRST + timedelta(days=4)
        tokens = self.some_tokens()
        self.record(
            day,
            account,
            0,
            None,
            outcome="connection",
            priced="unbilled",
            cost_nano=0,
            worst_nano=4 * self.cost(0, tokens),
        )
        planted["unanswered_retry"] += self.charge(day, account, 0, tokens)
        planted["past_farebox"] += self.charge(
            FIRST + timedelta(days=5), account, 0, {"input": 300_000, "output": 40_000}, requests=9
        )
        if len(self.accounts) > 1:
            planted["past_farebox"] += self.charge(
                FIRST + timedelta(days=5), "elsewhere", 0, {"input": 500_000, "output": 90_000}, requests=4
            )
        if prices:
            day = FIRST + timedelta(days=6)
            before = sum(nano for cell, nano in self.bill.nano.items() if cell[:3] == (day, account, 0))
            for cell in [cell for cell in self.bill.nano if cell[:3] == (day, account, 0)]:
                self.bill.nano[cell] = (
                    self.bill.nano[cell] * 12 // 10
                    if cell[4] in {"input", "cache_read", "output"}
                    else self.bill.nano[cell]
                )
            planted["price"] += (
                sum(nano for cell, nano in self.bill.nano.items() if cell[:3] == (day, account, 0)) - before
            )
        if tiers:
            day, tokens = FIRST + timedelta(days=7), self.some_tokens()
            self.record(day, account, 0, tokens)
            planted["service_tier"] += self.charge(
                day, account, 0, tokens, tier="batch", share=Decimal("0.5")
            ) - self.cost(0, tokens)
        self.bill.others.append((FIRST + timedelta(days=8), account, 0, "credit", -25_000_000_00))
        planted["credit"] = -25_000_000_00
        if discounts:
            self.bill.others.append((FIRST + timedelta(days=9), account, 0, "discount", -1_230_000_000))
            self.bill.others.append((FIRST + timedelta(days=9), account, 0, "tax", 770_000_000))
            planted["discount"], planted["tax"] = -1_230_000_000, 770_000_000
        last = FIRST + timedelta(days=self.days - 1)
        for cell in [cell for cell in self.bill.nano if cell[0] == last and cell[1] == account and cell[2] == 0]:
            kept = self.bill.tokens[cell] // 3
            nano = self.bill.nano[cell] * kept // max(1, self.bill.tokens[cell])
            planted["late_export"] += nano - self.bill.nano[cell]
            self.bill.tokens[cell], self.bill.nano[cell] = kept, nano
        self.bill.requests[last, account, 0, "standard"] //= 3

    def write_ledger(self, store: Store) -> None:
        """The attempts, with runs that are settled."""
        runs = sorted({row["run_id"] for row in self.rows})
        spent: dict[str, int] = defaultdict(int)
        for row in self.rows:
            spent[row["run_id"]] += row["cost_nano"]
        noon = _last_second(FIRST)
        with store.write() as connection:
            connection.execute(schema.runs.insert(), [{
                "run_id": run, "automation": "digest", "quality": "fast", "plan": "[]", "routes": "{}",
                "rate_version": "v1", "method": "prior", "history": 0, "point_nano": 1, "p50_nano": 1, "p95_nano": 1,
                "ceiling_nano": 1, "held_nano": 1, "stand_in": False, "started_at": noon,
            } for run in runs])  # fmt: skip
            connection.execute(schema.settlements.insert(), [{
                "run_id": run, "ordinal": 0, "automation": "digest", "quality": "fast", "stand_in": False,
                "outcome": "completed", "budgets": '["digest"]', "held_nano": 1, "spent_nano": spent[run],
                "released_nano": 0, "rate_version": "v1", "ended_at": noon,
            } for run in runs])  # fmt: skip
            connection.execute(schema.budgets.insert().values(
                budget_id="digest", name="digest per month", scope="automation", key="digest", span="month",
                starts_at=noon - 1, ends_at=noon + 10**13, limit_nano=10**14, spent_nano=sum(spent.values()), held_nano=0,
            ))  # fmt: skip
            for at in range(0, len(self.rows), 500):
                connection.execute(schema.attempts.insert(), self.rows[at : at + 500])

    def lines(self, parts: int, places: int) -> Iterator[tuple[Cell, int, Decimal, int]]:
        """Cells cut into parts: tokens and dollars rounded to so many places; requests with the first of them."""
        step = Decimal(1).scaleb(-places)
        for cell in sorted(self.bill.nano):
            tokens, nano = self.bill.tokens[cell], self.bill.nano[cell]
            given = priced = 0
            for part in range(1, parts + 1):
                upto, cost = tokens * part // parts, nano * part // parts
                exact = Decimal(cost - priced) / 10**9
                dollars = exact.quantize(step, ROUND_HALF_EVEN)
                self.bill.rounded += int((dollars - exact) * 10**9)
                requests = self.bill.requests[cell[:4]] if part == 1 and cell[4] == "input" else 0
                yield cell, upto - given, dollars, requests
                given, priced = upto, cost

    def write_export(self, folder: Path, *, parts: int = 3, places: int = 9) -> list[Path]:
        """The provider's export; the files."""
        self.bill.rounded = 0
        return list(getattr(self, f"_write_{self.provider}")(folder, parts, places))

    def _write_aws(self, folder: Path, parts: int, places: int) -> Iterator[Path]:
        kinds = {"input": "input-tokens", "cache_read": "cache-read-input-token-count", "output": "output-tokens"}
        path = folder / "cur.csv"
        head = (
            "line_item_usage_start_date", "line_item_usage_account_id", "line_item_usage_type", "line_item_usage_amount",
            "line_item_unblended_cost", "line_item_line_item_type", "line_item_product_code", "line_item_currency_code",
            "pricing_unit",
        )  # fmt: skip
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(head)
            for (day, account, model, tier, kind), tokens, dollars, _ in self.lines(parts, places):
                mark = "" if tier == "standard" else f"-{tier}"
                usage = f"USE1-{self.models[model][1]}-{kinds[kind]}{mark}"
                writer.writerow(
                    (
                        f"{day}T05:00:00Z",
                        _IDS[account],
                        usage,
                        Decimal(tokens) / 1000,
                        dollars,
                        "Usage",
                        "AmazonBedrock",
                        "USD",
                        "1K tokens",
                    )
                )
            for day, account, model, charge, nano in self.bill.others:
                named = {"credit": "Credit", "discount": "EdpDiscount", "tax": "Tax"}[charge]
                usage = f"USE1-{self.models[model][1]}-input-tokens"
                writer.writerow(
                    (
                        f"{day}T00:00:00Z",
                        _IDS[account],
                        usage,
                        0,
                        Decimal(nano) / 10**9,
                        named,
                        "AmazonBedrock",
                        "USD",
                        "",
                    )
                )
            writer.writerow(
                (f"{FIRST}T00:00:00Z", "proj_a", "USE1-BoxUsage", 1, "9.99", "Usage", "AmazonEC2", "USD", "Hrs")
            )
        yield path

    def _write_openai(self, folder: Path, parts: int, places: int) -> Iterator[Path]:
        kinds = {"input": "input", "cache_read": "cached input", "output": "output"}
        results: dict[date, list[Any]] = defaultdict(list)
        used: dict[date, list[Any]] = defaultdict(list)
        for (day, account, model, tier, kind), tokens, dollars, _ in self.lines(parts, places):
            mark = "" if tier == "standard" else f" {tier}"
            results[day].append({
                "object": "organization.costs.result", "amount": {"value": float(dollars), "currency": "usd"},
                "line_item": f"{self.models[model][1]}{mark}, {kinds[kind]}", "project_id": _IDS[account],
                "quantity": tokens, "quantity_unit": "tokens",
            })  # fmt: skip
        for day, account, model, _, nano in self.bill.others:
            amount = {"value": nano / 10**9, "currency": "usd"}
            results[day].append(
                {"amount": amount, "line_item": f"{self.models[model][1]}, input", "project_id": _IDS[account]}
            )
        for (day, account, model, tier), requests in self.bill.requests.items():
            counts = {kind: self.bill.tokens[day, account, model, tier, kind] for kind in PRICES}
            used[day].append({
                "object": "organization.usage.completions.result", "model": self.models[model][1],
                "project_id": _IDS[account], "batch": tier == "batch", "num_model_requests": requests,
                "input_tokens": counts["input"] + counts["cache_read"], "input_cached_tokens": counts["cache_read"],
                "output_tokens": counts["output"],
            })  # fmt: skip
        for name, found in (("costs.json", results), ("usage.jsonl", used)):
            page = {"object": "page", "data": [
                {"object": "bucket", "start_time": _noon(day) - 43_200, "end_time": _noon(day) + 43_200, "results": lines}
                for day, lines in sorted(found.items())
            ], "has_more": False, "next_page": None}  # fmt: skip
            (folder / name).write_text(json.dumps(page))
            yield folder / name

    def _write_anthropic(self, folder: Path, parts: int, places: int) -> Iterator[Path]:
        kinds = {"input": "uncached_input_tokens", "cache_read": "cache_read_input_tokens", "output": "output_tokens"}
        results: dict[date, list[Any]] = defaultdict(list)
        used: dict[date, list[Any]] = defaultdict(list)
        for (day, account, model, tier, kind), _, dollars, _ in self.lines(parts, places):
            results[day].append({
                "amount": str(dollars * 100), "currency": "USD", "cost_type": "tokens", "token_type": kinds[kind],
                "model": self.models[model][1], "service_tier": tier, "workspace_id": _IDS[account],
                "description": f"{self.models[model][1]} usage",
            })  # fmt: skip
        for day, account, model, _, nano in self.bill.others:
            results[day].append(
                {
                    "amount": str(Decimal(nano) / 10**7),
                    "currency": "USD",
                    "description": "credit",
                    "model": self.models[model][1],
                    "workspace_id": _IDS[account],
                }
            )
        for day, account, model, tier in self.bill.requests:
            counts = {kind: self.bill.tokens[day, account, model, tier, kind] for kind in PRICES}
            used[day].append({
                "model": self.models[model][1], "workspace_id": _IDS[account], "service_tier": tier,
                "uncached_input_tokens": counts["input"], "cache_read_input_tokens": counts["cache_read"],
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
                "output_tokens": counts["output"],
            })  # fmt: skip
        for name, found in (("cost_report.json", results), ("usage_report.json", used)):
            pages = [{"data": [
                {"starting_at": f"{day}T00:00:00Z", "ending_at": f"{day + timedelta(days=1)}T00:00:00Z", "results": lines}
            ], "has_more": False} for day, lines in sorted(found.items())]  # fmt: skip
            (folder / name).write_text(json.dumps(pages))
            yield folder / name

    def _write_openrouter(self, folder: Path, _parts: int, places: int) -> Iterator[Path]:
        totals: dict[tuple[date, int], list[Any]] = defaultdict(lambda: [0, 0, Decimal(0), 0])
        for (day, _account, model, _tier, kind), tokens, dollars, requests in self.lines(1, places):
            found = totals[day, model]
            found[1 if kind == "output" else 0] += tokens
            found[2] += dollars
            found[3] += requests
        rows = [
            {"date": str(day), "model": self.models[model][1], "usage": str(dollars), "requests": requests, "prompt_tokens": read, "completion_tokens": wrote, "reasoning_tokens": 0, "provider_name": "OpenAI", "byok_usage_inference": 0}
            for (day, model), (read, wrote, dollars, requests) in sorted(totals.items())
        ]  # fmt: skip
        rows += [
            {"date": str(day), "model": self.models[model][1], "usage": str(Decimal(nano) / 10**9), "requests": 0, "prompt_tokens": 0, "completion_tokens": 0}
            for day, _, model, _, nano in self.bill.others
        ]  # fmt: skip
        (folder / "activity.json").write_text(json.dumps({"data": rows}))
        yield folder / "activity.json"


def accounts_of(world: World) -> dict[str, str]:
    """What the ledger calls the bill's accounts."""
    return {_IDS[account]: account for account in world.accounts} if len(world.accounts) > 1 else {}


def _noon(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp())


def _last_second(day: date) -> int:
    return (_noon(day) + 43_199) * 1_000_000
