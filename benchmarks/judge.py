"""How far the judge agrees with labels: ``python -m benchmarks.judge``.

With a key in the environment the project's own light target judges, which costs a few cents; without one the sandbox
does, by a rule. That shows that the way from labels to figures is sound, and nothing about a model.
"""

from __future__ import annotations

import argparse

from benchmarks import harness, judge_labels
from farebox.config.settings import load_settings
from farebox.judging.trial import try_judge
from farebox.runtime import Runtime
from guardrails.agreement import AgreementRate, Labelled, measure_agreement, pairs_of
from pricing.money import format_money

GUARD = {"mode": "off", "criteria": {"grounded": "States nothing that the facts do not say."}}


def shown(rate: AgreementRate) -> str:
    return f"{rate.share:.2f} ({rate.low:.2f}-{rate.high:.2f}), {rate.right} of {rate.of}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=120, help="labelled answers of each kind")
    options = parser.parse_args()
    labels = [Labelled(**line) for line in judge_labels.labelled(options.each, seed=3)]
    with harness.workplace() as folder:
        settings = load_settings(harness.ROOT)
        guards = settings.guards.model_validate({"judge": GUARD})
        runtime = Runtime(
            settings.model_copy(update={"home": folder, "ledger_url": "", "guards": guards}), harness.ROOT
        )
        try:
            judged = try_judge(runtime, labels)
            with runtime.replica.read() as replica:
                [(cost, took)] = replica.execute("SELECT sum(cost_nano), median(duration_us) FROM attempts").fetchall()
        finally:
            runtime.close()
    found = measure_agreement(pairs_of(judged))
    who = "the sandbox, by a rule" if any(target.stand_in for target in runtime.router.targets) else "a model"
    print(f"{len(judged)} labels, half of them fails, judged by {who}; aim: TPR and TNR >= .90")
    print(f"TPR    {shown(found.tpr)}")
    print(f"TNR    {shown(found.tnr)}")
    print(f"kappa  {found.kappa:.2f} ({found.kappa_low:.2f}-{found.kappa_high:.2f}), on a balanced set")
    print(f"cost   {format_money(int(cost))}, median of an attempt {took / 1000:.0f} ms")


if __name__ == "__main__":
    main()
