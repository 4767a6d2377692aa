"""Times the evaluators of anonymeter; run by the Python of its environment: `python anonymeter_timer.py FOLDER`.

The folder holds `members.json`, `controls.json` and `synthetic.json`. All of it runs in one process, as ours does.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from anonymeter.evaluators import InferenceEvaluator, LinkabilityEvaluator, SinglingOutEvaluator

TARGETS = 2_000
PREDICATES = 500
SPLITS = 5


def main() -> None:
    """Print processor and wall seconds of every evaluator as JSON."""
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    members, controls, synthetic = (
        pd.DataFrame(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))
        for name in ("members", "controls", "synthetic")
    )
    targets, names = min(TARGETS, len(members), len(controls)), list(members)

    def inference() -> None:
        for secret in names:
            others = [name for name in names if name != secret]
            InferenceEvaluator(members, synthetic, others, secret, n_attacks=targets, control=controls).evaluate(
                n_jobs=1
            )

    def singling_out() -> None:
        SinglingOutEvaluator(members, synthetic, n_attacks=PREDICATES, n_cols=3, control=controls, seed=1).evaluate()

    def linkability() -> None:
        rng = np.random.default_rng(1)
        for _ in range(SPLITS):
            dealt = list(rng.permutation(names))
            halves = dealt[: len(dealt) // 2], dealt[len(dealt) // 2 :]
            LinkabilityEvaluator(
                members, synthetic, halves, n_attacks=targets, n_neighbors=5, control=controls
            ).evaluate(n_jobs=1)

    # The first call compiles: it is not counted.
    LinkabilityEvaluator(
        members[:50], synthetic[:50], (names[:2], names[2:4]), n_attacks=10, control=controls[:50]
    ).evaluate(n_jobs=1)
    measured = {
        name: timed(measure)
        for name, measure in (("inference", inference), ("singling out", singling_out), ("linkability", linkability))
    }
    sys.stdout.write("\n" + json.dumps(measured) + "\n")


def timed(measure: Callable[[], object]) -> dict[str, float]:
    """Return the seconds that one measure takes."""
    processor, wall = time.process_time(), time.perf_counter()
    measure()
    return {"cpu_seconds": time.process_time() - processor, "seconds": time.perf_counter() - wall}


if __name__ == "__main__":
    main()
