"""Seconds of one core that hard lists of events take: their total, an audit of it, and the check of a certificate.

Run from the root of the project: `python -m benchmarks.accounting_speed [--only WORD] [--json FILE]`. The first list is
the one of the bar: 200 releases of 134 kinds, sampled training steps in both directions and choices among them. Each is
timed alone, after one small list that loads the libraries.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

from benchmarks.surroundings import source_version, surroundings
from dpsynth.accounting.agreement import cross_check
from dpsynth.accounting.budget import LARGEST_EPSILON, PrivacyBudget
from dpsynth.accounting.events import (
    ComposedDpEvent,
    DiscreteGaussianDpEvent,
    DiscreteLaplaceDpEvent,
    DpEvent,
    ExponentialDpEvent,
    GaussianDpEvent,
    LaplaceDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
)
from dpsynth.accounting.loss_audit import audit_epsilon
from dpsynth.accounting.pld import PldAccountant
from dpsynth.errors import AccountantsDisagree, InvalidInput

DELTA = "1e-6"


def sampled(probability: float, noise: float, steps: int) -> DpEvent:
    """Return training steps."""
    return SelfComposedDpEvent(PoissonSampledDpEvent(probability, GaussianDpEvent(noise)), steps)


def mixed(releases: int, *, training: bool) -> DpEvent:
    """Return releases of six kinds of noise, or five without `training`, most of them with parameters of their own."""
    kinds: list[Callable[[int], DpEvent]] = [
        lambda place: GaussianDpEvent(60.0 + place),
        lambda place: LaplaceDpEvent(300.0 + place),
        lambda place: SelfComposedDpEvent(ExponentialDpEvent(Fraction(1, 200 + place)), 5),
        lambda place: DiscreteGaussianDpEvent(Fraction(3000 + place), 1),
        lambda place: DiscreteLaplaceDpEvent(Fraction(250 + place), 1),
    ]
    if training:
        kinds.append(lambda place: sampled(0.005 + 1e-5 * (place % 12), 1.5, 100))
    return ComposedDpEvent(tuple(kinds[place % len(kinds)](place) for place in range(releases)))


LISTS: dict[str, DpEvent] = {
    "200 mixed releases": mixed(200, training=True),
    "200 mixed releases without training": mixed(200, training=False),
    "10,000 different Laplace draws": ComposedDpEvent(tuple(LaplaceDpEvent(1000.0 + place) for place in range(10_000))),
    "10,000 steps, q .01, s 1": sampled(0.01, 1.0, 10_000),
    "10,000 steps, q .001, s .8": sampled(0.001, 0.8, 10_000),
    "10,000,000 steps, q .0001, s 1": sampled(1e-4, 1.0, 10**7),
    "noise .01": GaussianDpEvent(0.01),
}


def figures(event: DpEvent) -> dict[str, object]:
    """Return the total of `event`, and the seconds of one core of each computation."""
    claim = PrivacyBudget(LARGEST_EPSILON, DELTA)

    def timed(work: Callable[[], object]) -> tuple[object, float | str]:
        begun = time.process_time()
        try:
            return work(), round(time.process_time() - begun, 2)
        except InvalidInput:
            return None, "refused"
        except AccountantsDisagree:
            return None, "not certified"

    epsilon, total = timed(lambda: PldAccountant().compose(event).get_epsilon(claim.delta))
    return {
        "epsilon": epsilon,
        "total_cpu_seconds": total,
        "audit_cpu_seconds": timed(lambda: audit_epsilon(event, claim.delta))[1],
        "certificate_cpu_seconds": timed(lambda: cross_check(event, claim))[1],
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    """Print the figures of each list, one a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only lists whose name holds this")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    figures(ComposedDpEvent((GaussianDpEvent(2.0), LaplaceDpEvent(2.0))))
    runs = []
    for name, event in LISTS.items():
        if asked.only in name:
            runs.append({"list": name, "delta": DELTA, **figures(event)})
            sys.stdout.write("  ".join(f"{key} {value}" for key, value in runs[-1].items()) + "\n")
    if asked.json:
        versions = {name: version(name) for name in ("numpy", "scipy")}
        document = {"source": source_version(), "versions": versions, "surroundings": surroundings(), "runs": runs}
        asked.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
