"""Why the fit is plain numpy in double precision: what single precision, torch and numba gain and lose.

Run from the root of the project: `python -m benchmarks.inference_choices [--numba PYTHON] [--json FILE]`. PYTHON is the
interpreter of an environment of its own with numba in it (`python -m venv FOLDER`, `FOLDER/bin/pip install numba`).

Three measurements: one message pass by each library at several sizes (`benchmarks.message_pass`); the part of `aim`
that goes to message passes; and fits of one set of real answers on coded Adult with the engine's own code, its buffers
once in double and once in single precision.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.limits import DELTA, fitted_at
from benchmarks.record import RESULTS
from benchmarks.surroundings import source_version, surroundings
from benchmarks.tables.adult import adult_coded
from benchmarks.tables.base import PROJECT
from dpsynth.generators import aim
from dpsynth.generators.aim import AIM
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.generators.multi_resolution import multi_resolution
from dpsynth.generators.noisy_columns import as_measurements
from dpsynth.models import GraphicalModel, belief_propagation, clique_vector, estimate, estimation, factor
from dpsynth.models.belief_propagation import BeliefPropagation
from dpsynth.models.mirror_descent import descend
from dpsynth.schema.schema import Schema

RECORD = RESULTS / "inference_choices.json"
LARGER_STEP = 1_000
"""How many times larger than the safe one the first step of the last variant is."""


class _Single:
    """numpy whose new tables are in single precision.

    A `Factor` asks for `float64` and would take a copy of anything else: then tables that are views of one buffer no
    longer follow it, and a descent stands still at its start. So what is called `float64` is single here, too.
    """

    float64 = np.float32

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    zeros = staticmethod(lambda shape: np.zeros(shape, np.float32))
    ones = staticmethod(lambda shape: np.ones(shape, np.float32))


@contextmanager
def single_precision(*, double_loss: bool, larger_step: bool) -> Iterator[None]:
    """Give the tables of belief propagation four bytes for each number.

    Args:
        double_loss: whether marginals are turned into doubles before they are compared with the answers.
        larger_step: whether the descent starts with a larger step than the one that is surely small enough.
    """
    run = BeliefPropagation.run
    with ExitStack() as changed:
        for module in (belief_propagation, clique_vector, factor):
            changed.enter_context(mock.patch.object(module, "np", _Single()))
        changed.enter_context(mock.patch.object(belief_propagation, "_IMPOSSIBLE", -1e30))
        changed.enter_context(mock.patch.object(belief_propagation, "_TINY", np.finfo(np.float32).tiny))
        if double_loss:
            doubled = lambda inference, potentials: run(inference, potentials).astype(np.float64)  # noqa: E731
            changed.enter_context(mock.patch.object(BeliefPropagation, "run", doubled))
        if larger_step:
            larger = lambda objective, start, step, rule: descend(objective, start, LARGER_STEP * step, rule)  # noqa: E731
            changed.enter_context(mock.patch.object(estimation, "descend", larger))
        yield


@contextmanager
def counted() -> Iterator[dict[str, float]]:
    """Count message passes through whole trees, and the processor seconds that they take."""
    run, found = BeliefPropagation.run, {"passes": 0.0, "pass_seconds": 0.0}

    def counting(inference: BeliefPropagation, potentials: Any) -> Any:
        start = time.process_time()
        result = run(inference, potentials)
        found["pass_seconds"] += time.process_time() - start
        found["passes"] += 1
        return result

    with mock.patch.object(BeliefPropagation, "run", counting):
        yield found


def fits(fitted: FittedGraphicalModel, schema: Schema) -> list[dict[str, Any]]:
    """Return how fits of the same answers end in double and in single precision, from the same start."""
    answers = fitted.measurements
    resolutions = multi_resolution(schema, answers[: len(schema.columns)], AIM().levels)
    measurements = as_measurements(schema, answers)

    def fit() -> GraphicalModel:
        return estimate(resolutions.domain, measurements, impossible=resolutions.impossible)

    ways: dict[str, Callable[[], Any]] = {
        "double": ExitStack,
        "single": lambda: single_precision(double_loss=False, larger_step=False),
        "single, loss in double": lambda: single_precision(double_loss=True, larger_step=False),
        "single, loss in double, larger first step": lambda: single_precision(double_loss=True, larger_step=True),
    }
    found: list[dict[str, Any]] = []
    right: dict[Any, Any] = {}
    for name, way in ways.items():
        with counted() as cost:
            start = time.process_time()
            with way():
                model = fit()
            spent = time.process_time() - start
        buffer = model.potentials.buffer.astype(np.float64)
        model = GraphicalModel.from_potentials(
            clique_vector.CliqueVector(model.domain, model.cliques, buffer), model.total
        )
        marginals = model.marginals([measured.clique for measured in measurements])
        right = right or marginals
        residuals, moved = [], []
        for measured in measurements:
            residuals.append(((marginals[measured.clique] - measured.counts) / measured.stddev).ravel())
            moved.append(((marginals[measured.clique] - right[measured.clique]) / measured.stddev).ravel())
        found.append(
            {
                "precision": name,
                "passes": int(cost["passes"]),
                "cpu_seconds": round(spent, 2),
                "loss": round(float(np.mean(np.concatenate(residuals) ** 2)), 4),
                "moved": round(float(np.sqrt(np.mean(np.concatenate(moved) ** 2))), 4),
            }
        )
        sys.stderr.write(f"{found[-1]}\n")
    return found


def whole_runs(epsilon: str) -> dict[str, Any]:
    """Return what `aim` costs and reaches with its fits between rounds in double and in single precision.

    The answers of the first are fitted once more, at every precision.
    """
    table, fitted = adult_coded(), aim._fitted  # noqa: SLF001 - the function whose precision is changed
    found: list[dict[str, Any]] = []
    compared: list[dict[str, Any]] = []

    def single_between_rounds(*given: Any, **settings: Any) -> GraphicalModel:
        if settings.get("tolerance") != aim._LOOSE_TOLERANCE:  # noqa: SLF001 - what marks those fits
            return fitted(*given, **settings)
        with single_precision(double_loss=True, larger_step=True):
            model = fitted(*given, **settings)
        buffer = model.potentials.buffer.astype(np.float64)
        return GraphicalModel.from_potentials(
            clique_vector.CliqueVector(model.domain, model.cliques, buffer), model.total
        )

    for name, used in (("double", fitted), ("single between rounds", single_between_rounds)):
        with mock.patch.object(aim, "_fitted", used), counted() as cost:
            start = time.process_time()
            model = fitted_at(epsilon, table, AIM())
            spent = time.process_time() - start
        made = model.sample(table.sampled_rows, rng=np.random.default_rng(0)).codes
        figures = {key: round(value, 4) for key, value in table.judge(made).items()}
        part = round(cost["pass_seconds"] / spent, 3)
        found.append({"fits": name, "cpu_seconds": round(spent, 2), "part in passes": part, **figures})
        sys.stderr.write(f"{found[-1]}\n")
        if used is fitted:
            compared = fits(model, table.schema)
    return {"epsilon": epsilon, "delta": DELTA, "aim": found, "one_fit": compared}


def passes(python: str, *, cache: str | None = None) -> dict[str, Any]:
    """Return the timings of `benchmarks.message_pass` under one interpreter."""
    settings = {**os.environ, **({"NUMBA_CACHE_DIR": cache} if cache else {})}
    command = [python, "-m", "benchmarks.message_pass"]
    made = subprocess.run(command, cwd=PROJECT, env=settings, capture_output=True, text=True, check=True)  # noqa: S603
    found: dict[str, Any] = json.loads(made.stdout)
    return found


def table_of_passes(record: Mapping[str, Any]) -> str:
    """Return microseconds of one message pass, and how many times faster than numpy in double, as Markdown."""
    timed = record["passes"]
    ways = [f"{library}, {precision}" for library in ("numpy", "torch", "numba") for precision in ("double", "single")]
    lines = [f"| cells | for each separator cell | {' | '.join(ways)} |", f"|{'---|' * (2 + len(ways))}"]
    for here, other in zip(timed["here"]["sizes"], timed["numba"]["sizes"], strict=True):
        cells = []
        for way in ways:
            one = other if way.startswith("numba") else here
            ratio = one["microseconds"]["numpy, double"] / one["microseconds"][way]
            cells.append(f"{one['microseconds'][way]:.3g} ({ratio:.1f} x)")
        lines.append(f"| {here['cells']:,} | {here['width']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def table_of_fits(record: Mapping[str, Any]) -> str:
    """Return how one fit ends in double and in single precision as Markdown."""
    lines = [
        "| tables | passes | CPU s | mean squared residual | moved from double, in units of the noise |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {one['precision']} | {one['passes']} | {one['cpu_seconds']:.1f} | {one['loss']:.3f} | {one['moved']:.3f} |"
        for one in record["one_fit"]
    ]
    return "\n".join(lines) + "\n"


def table_of_aim(record: Mapping[str, Any]) -> str:
    """Return what `aim` costs and reaches at both precisions as Markdown."""
    lines = ["| fits of `aim` | CPU s | of it message passes | tvd2 | tvd3 | AUC |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {one['fits']} | {one['cpu_seconds']:.1f} | {one['part in passes']:.0%} | {one['tvd2']:.4f} | "
        f"{one['tvd3']:.4f} | {one['auc']:.4f} |"
        for one in record["aim"]
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the tables, and record them where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--numba", help="the interpreter of an environment with numba", required=True)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    known = {"source": source_version(), **surroundings()}
    with tempfile.TemporaryDirectory() as cache:
        compiled = passes(asked.numba, cache=cache)
        cached = passes(asked.numba, cache=cache)
    timed = {"here": passes(sys.executable), "numba": cached, "nothing cached": compiled["costs"]}
    record = {**known, "passes": timed, **whole_runs("1")}
    sys.stdout.write(f"{table_of_passes(record)}\n{table_of_fits(record)}")
    if asked.json:
        asked.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
