"""Seconds for a million cells of integer noise, beside the pure-Python rational rejection sampler.

Run from the root of the project: `python -m benchmarks.noise_speed [--cells N] [--json FILE]`. The reference is timed
on fewer draws and scaled up. Tables are built first and their time is shown apart; a release builds each table once.
A choice by rejection ends soon when scores are close and late when one is far ahead; ours does the same work for both.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from dpsynth.mechanisms import DiscreteLaplaceMechanism, ExponentialMechanism, RoundedGaussianMechanism, Sensitivity
from dpsynth.randomness import SystemNoise
from tests.statistical.rational_reference import discrete_laplace, exponential_choice, rounded_gaussian

SENSITIVITY = Sensitivity(1, 1, 1)
REFERENCE_DRAWS = 2000
GAUSSIAN_SIGMAS = (1, 10, 100, 1000, 22_361, 1_000_000)
LAPLACE_SCALES = (1, 10, 100, 1000, 1_000_000)
CANDIDATES = (100, 10_000, 100_000)

HEADER = f"{'noise':<36}{'build s':>10}{'table s':>10}{'reference s':>14}{'ratio':>10}"


def seconds(work: Callable[[], object], repeats: int = 1) -> float:
    """Return the shortest time of several runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def compare(
    name: str, cells: int, mechanism: RoundedGaussianMechanism | DiscreteLaplaceMechanism, reference: Callable[[], int]
) -> dict[str, object]:
    """Return the times of one additive mechanism on `cells` cells."""
    zeros = np.zeros(cells, dtype=np.int64)
    noise = SystemNoise()
    build = seconds(lambda: mechanism.distance_from_ideal(1))
    table = seconds(lambda: mechanism(zeros, sensitivity=SENSITIVITY, noise=noise), repeats=3)
    slow = seconds(lambda: [reference() for _ in range(REFERENCE_DRAWS)]) * cells / REFERENCE_DRAWS
    return {"noise": name, "build": build, "table": table, "reference": slow, "ratio": slow / table}


def compare_choice(candidates: int, lead: int) -> dict[str, object]:
    """Return the times of one choice among `candidates` with scores of 0 to 19 and one `lead` above them."""
    scores = np.arange(candidates, dtype=np.int64) % 20
    scores[candidates // 2] = 19 + lead
    mechanism, noise = ExponentialMechanism(Fraction(1)), SystemNoise()
    listed = scores.tolist()
    table = seconds(lambda: mechanism(scores, sensitivity=SENSITIVITY, noise=noise), repeats=3)
    slow = seconds(lambda: exponential_choice(listed, Fraction(1, 2), secrets.randbelow), repeats=3)
    name = f"one of {candidates:,}, {'one far ahead' if lead else 'close scores'}"
    return {"noise": name, "build": 0.0, "table": table, "reference": slow, "ratio": slow / table}


def main() -> None:
    """Print one line per mechanism and parameter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rows = [
        *(
            compare(
                f"rounded Gaussian, sigma {sigma:,}",
                asked.cells,
                RoundedGaussianMechanism(Fraction(sigma**2)),
                lambda sigma=sigma: rounded_gaussian(Fraction(sigma**2), secrets.randbelow),  # type: ignore[misc]
            )
            for sigma in GAUSSIAN_SIGMAS
        ),
        *(
            compare(
                f"discrete Laplace, scale {scale:,}",
                asked.cells,
                DiscreteLaplaceMechanism(Fraction(scale)),
                lambda scale=scale: discrete_laplace(Fraction(scale), secrets.randbelow),  # type: ignore[misc]
            )
            for scale in LAPLACE_SCALES
        ),
        *(compare_choice(candidates, lead) for candidates in CANDIDATES for lead in (0, 60)),
    ]
    sys.stdout.write(f"{asked.cells:,} cells, operating-system entropy\n{HEADER}\n")
    for row in rows:
        sys.stdout.write(
            f"{row['noise']:<36}{row['build']:>10.4f}{row['table']:>10.4f}{row['reference']:>14.4f}{row['ratio']:>9.3g}x\n"
        )
    if asked.json:
        asked.json.write_text(json.dumps({"cells": asked.cells, "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
