"""Where the marginal engine does something else than was asked for: what either way costs and reaches on coded Adult.

Run from the root of the project: `python -m benchmarks.engine_choices [--only NAME ...] [--runs N] [--json FILE]`. The
parts are `scores` (of far candidates from the model or from its rows), `counting` (real marginals, the first time and
again), `trees` (bounds on their growth or triangulation), `batches` (how many are chosen between two fits) and `split`
(the budget of the edges of mst). Parts that are not asked for stay in FILE as they are.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.limits import DELTA, exact_counts, fitted_at
from benchmarks.record import RESULTS
from benchmarks.surroundings import source_version, surroundings
from benchmarks.tables.adult import adult_coded
from benchmarks.tables.base import BenchmarkTable
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator import Curator
from dpsynth.generators import aim
from dpsynth.generators.aim import AIM
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.generators.mst import MST
from dpsynth.ledger import Ledger
from dpsynth.models import GraphicalModel, Measurement, estimate
from dpsynth.models.junction_tree import JunctionTree
from dpsynth.models.pair_growth import pair_growth

RECORD = RESULTS / "engine_choices.json"
REPEATS = 5


def _seconds(work: Callable[[], object]) -> float:
    """Return the least processor seconds of several repeats."""
    spent = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return round(min(spent), 5)


def scores(table: BenchmarkTable, fitted: FittedGraphicalModel) -> dict[str, Any]:
    """Return what all pairs cost from the model and from rows of it, and how far off these are."""
    model, rng = fitted.model, np.random.default_rng(0)
    domain = model.domain
    pairs = list(combinations(table.schema.domain.names, 2))
    far = [pair for pair in pairs if model.calibrated.tree.covering(pair) is None]
    rows = table.sampled_rows

    def drawn() -> dict[tuple[str, str], Any]:
        codes = model.sample(rows, rng)
        found: dict[tuple[str, str], Any] = {}
        for pair in pairs:
            places = [domain.position(name) for name in pair]
            cells = np.ravel_multi_index(tuple(codes[:, place] for place in places), domain.shape(pair))
            found[pair] = np.bincount(cells, minlength=domain.cells(pair)).reshape(domain.shape(pair))
        return found

    exact, sampled = model.marginals(pairs), drawn()
    noise = math.sqrt(2 / math.pi) * fitted.measurements[-1].stddev
    return {
        "model cells": model.size,
        "pairs": len(pairs),
        "pairs that no node holds": len(far),
        "seconds from the model": _seconds(lambda: model.marginals(pairs)),
        "seconds from rows": _seconds(drawn),
        "rows of error in a score": round(float(np.mean([np.abs(exact[p] - sampled[p]).sum() for p in pairs]))),
        "rows of noise in a measurement": round(float(np.mean([noise * domain.cells(p) for p in pairs]))),
        "rows between model and truth": round(float(np.mean([_distance(table, exact[p], p) for p in pairs]))),
    }


def _distance(table: BenchmarkTable, estimate_of_pair: Any, pair: tuple[str, ...]) -> float:
    places = [table.schema.domain.position(name) for name in pair]
    cells = np.ravel_multi_index(tuple(table.codes[:, place] for place in places), estimate_of_pair.shape)
    return float(np.abs(np.bincount(cells, minlength=estimate_of_pair.size) - estimate_of_pair.ravel()).sum())


def counting(table: BenchmarkTable, fitted: FittedGraphicalModel) -> dict[str, Any]:
    """Return what a private choice among all pairs costs the first time, when they are counted, and the next."""
    ledger, budget = Ledger("sqlite://"), PrivacyBudget("1", DELTA)
    ledger.set_budget(table.schema.dataset, budget)
    curator = Curator.open(table.cells, table.schema, ledger=ledger)
    groupings = {name: grouping for answer in fitted.measurements for name, grouping in answer.groupings.items()}
    names = [name for name in fitted.model.domain.names if name in table.schema.domain or name in groupings]
    column = {name: groupings[name].column if name in groupings else name for name in names}
    pairs = [pair for pair in combinations(names, 2) if column[pair[0]] != column[pair[1]]]
    estimates = fitted.model.marginals(pairs)
    spent = []
    with curator.within(budget, purpose="choose twice") as session:
        for _ in range(2):
            start = time.process_time()
            session.select(
                estimates,
                session.mu_squared / 2,
                weights=dict.fromkeys(pairs, 1),
                penalties=dict.fromkeys(pairs, 0.0),
                groupings=groupings,
            )
            spent.append(round(time.process_time() - start, 4))
    return {"pairs": len(pairs), "seconds of the first choice": spent[0], "seconds of the second": spent[1]}


def trees(fitted: FittedGraphicalModel) -> dict[str, Any]:
    """Return what it costs to know how all pairs would make the model grow, and to triangulate what is accepted."""
    model = fitted.model
    tree = model.calibrated.tree
    outside = [pair for pair, growth in pair_growth(tree).items() if growth > 0]
    return {
        "pairs of versions": len(pair_growth(tree)),
        "seconds of the bounds on all of them": _seconds(lambda: pair_growth(tree)),
        "pairs that would change the tree": len(outside),
        "seconds to triangulate with each of those": _seconds(lambda: [tree.cells_with(pair) for pair in outside]),
        "seconds to triangulate what is accepted": _seconds(lambda: JunctionTree.of(model.domain, model.cliques)),
    }


def batches(table: BenchmarkTable, runs: int) -> list[dict[str, Any]]:
    """Return what `aim` costs and reaches when one, two or three marginals are chosen between two fits."""
    planned, fit_once = 3 * len(table.schema.domain), aim._fitted  # noqa: SLF001 - what is timed
    found = []
    for together in (1, 2, 3):
        for run in range(runs):
            fits: list[tuple[float, int, float]] = []

            def timed(*given: Any, fits: list[tuple[float, int, float]] = fits, **settings: Any) -> GraphicalModel:
                start = time.process_time()
                model = fit_once(*given, **settings)
                fits.append((settings.get("tolerance", 1e-3), model.size, time.process_time() - start))
                return model

            with (
                mock.patch.object(aim, "_MOST_FITS", math.ceil(planned / together)),
                mock.patch.object(aim, "_fitted", timed),
            ):
                start = time.process_time()
                fitted = fitted_at("1", table, AIM())
                spent = time.process_time() - start
            made = fitted.sample(table.sampled_rows, rng=np.random.default_rng(run)).codes
            between = [fit for fit in fits if fit[0] == aim._LOOSE_TOLERANCE]  # noqa: SLF001 - what marks them
            found.append(
                {
                    "together": together,
                    "run": run,
                    "cpu_seconds": round(spent, 2),
                    "fits between rounds": len(between),
                    "seconds of these": round(sum(seconds for _, _, seconds in between), 2),
                    "median cells of these": int(np.median([cells for _, cells, _ in between])),
                    "cells at the end": fits[-1][1],
                    "seconds of the last": round(fits[-1][2], 2),
                    **{name: round(value, 5) for name, value in table.judge(made).items()},
                }
            )
            sys.stderr.write(f"{found[-1]}\n")
    return found


def split(table: BenchmarkTable, runs: int) -> list[dict[str, Any]]:
    """Return the error of mst with equal shares for its edges, and with shares in proportion to cells^(2/3).

    The edges are those of one private fit. Their noise is drawn by numpy, so these models are not private.
    """
    names, found = table.schema.domain.names, []
    for epsilon in ("0.1", "1", "10"):
        ledger, budget = Ledger("sqlite://"), PrivacyBudget(epsilon, DELTA)
        ledger.set_budget(table.schema.dataset, budget)
        fitted = MST().fit(Curator.open(table.cells, table.schema, ledger=ledger), budget, rng=np.random.default_rng(0))
        columns, edges = fitted.measurements[: len(names)], fitted.measurements[len(names) :]
        exact = [exact_counts(table.codes, names, edge).counts for edge in edges]
        total = sum(edge.stddev**-2 for edge in edges)
        for kind, power in (("equal", 0.0), ("cells^(2/3)", 2 / 3)):
            parts = np.array([edge.counts.size**power for edge in edges])
            deviations = 1 / np.sqrt(total * parts / parts.sum())
            errors = []
            for run in range(runs):
                rng = np.random.default_rng(run)
                noisy = [
                    Measurement(edge.clique, counts + rng.normal(0, deviation, counts.shape), float(deviation))
                    for edge, counts, deviation in zip(edges, exact, deviations, strict=True)
                ]
                singles = [Measurement(one.clique, one.counts.astype(np.float64), one.stddev) for one in columns]
                model = estimate(table.schema.domain, [*singles, *noisy], tolerance=1e-5)
                pairs = model.marginals(combinations(names, 2))
                distances = {pair: _distance(table, pairs[pair], pair) / (2 * len(table.codes)) for pair in pairs}
                on_edges = [distances[edge.clique] for edge in edges]
                errors.append((float(np.mean(list(distances.values()))), float(np.mean(on_edges))))
            pairs_mean, edges_mean = np.mean(errors, axis=0)
            found.append(
                {
                    "epsilon": epsilon,
                    "shares": kind,
                    "runs": runs,
                    "all pairs": round(float(pairs_mean), 5),
                    "spread": round(float(np.std([pairs for pairs, _ in errors])), 5),
                    "edges": round(float(edges_mean), 5),
                }
            )
            sys.stderr.write(f"{found[-1]}\n")
    return found


def table_of_batches(record: Mapping[str, Any]) -> str:
    """Return the part about batches as Markdown: means over runs."""
    lines = [
        "| chosen between two fits | runs | CPU s | fits between rounds, s | their median cells "
        "| last fit, s | its cells | tvd2 | tvd3 | AUC |",
        f"|{'---|' * 10}",
    ]
    rows = record["batches"]["found"]
    for together in sorted({row["together"] for row in rows}):
        these = [row for row in rows if row["together"] == together]
        mean = {name: float(np.mean([row[name] for row in these])) for name in these[0]}
        cells = [
            str(together),
            str(len(these)),
            *(f"{mean[name]:.1f}" for name in ("cpu_seconds", "seconds of these")),
            f"{mean['median cells of these']:,.0f}",
            f"{mean['seconds of the last']:.1f}",
            f"{mean['cells at the end']:,.0f}",
            *(f"{mean[name]:.4f}" for name in ("tvd2", "tvd3", "auc")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def table_of_splits(record: Mapping[str, Any]) -> str:
    """Return the part about the edges of mst as Markdown."""
    lines = ["| epsilon | shares of the edges | runs | all pairs | the edges |", "|---|---|---|---|---|"]
    lines += [
        f"| {row['epsilon']} | {row['shares']} | {row['runs']} | {row['all pairs']:.4f} (spread {row['spread']:.4f}) | "
        f"{row['edges']:.4f} |"
        for row in record["split"]["found"]
    ]
    return "\n".join(lines) + "\n"


def table_of_costs(record: Mapping[str, Any]) -> str:
    """Return the parts about scores, counting and trees as Markdown."""
    lines = ["| part | what | |", "|---|---|---|"]
    lines += [
        f"| {part} | {what} | {value:,.4g} |" if isinstance(value, float) else f"| {part} | {what} | {value:,} |"
        for part in ("scores", "counting", "trees")
        for what, value in record[part]["found"].items()
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print what was found; record each part as soon as it is done."""
    parts = ("scores", "counting", "trees", "split", "batches")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    record = json.loads(asked.json.read_text(encoding="utf-8")) if asked.json and asked.json.exists() else {}
    known, table = {"source": source_version(), **surroundings()}, adult_coded()
    needed = not {"scores", "counting", "trees"}.isdisjoint(asked.only)
    fitted = fitted_at("1" if needed else "0.01", table, AIM())
    work: dict[str, Callable[[], Any]] = {
        "scores": lambda: scores(table, fitted),
        "counting": lambda: counting(table, fitted),
        "trees": lambda: trees(fitted),
        "split": lambda: split(table, 2 * asked.runs),
        "batches": lambda: batches(table, asked.runs),
    }
    for part in asked.only:
        found = work[part]()
        record[part] = {**known, "found": found}
        sys.stdout.write(f"{part}: {found}\n")
        sys.stdout.flush()
        if asked.json:
            asked.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
