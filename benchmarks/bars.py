"""What was due of the generators, beside what was measured."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.deep_peers import BEST_AUC, BEST_PAIRS
from benchmarks.process import UNFINISHED
from benchmarks.record import Record, Run, newest

PEER_AIM = ("dpmm-aim", "smartnoise-aim")
PEERS = (*PEER_AIM, "dpmm-mst", "dpmm-privbayes", "smartnoise-mst", "smartnoise-mwem", "smartnoise-mwem-split3")
BEST = ("auto", "aim")
"""`aim`, or what `auto` picks: whichever is recorded first in this order."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure that was asked for in advance.

    Attributes:
        table: name of the table.
        epsilon: as it is recorded.
        systems: the first of them that is recorded counts.
        figure: a figure of the judge or a cost.
        limit: a number, or the best of the peers on the same table at the same epsilon.
        least: whether the limit is the least that is due, not the most.
        factor: what a peer's best is multiplied with.
        peers: the peers that `limit` means; empty where it is a number.
    """

    table: str
    epsilon: str
    figure: str
    limit: float | None = None
    systems: tuple[str, ...] = BEST
    least: bool = False
    factor: float = 1.0
    peers: tuple[str, ...] = ()


BARS = (
    Bar("adult-coded", "1", "tvd2", 0.040),
    Bar("adult-coded", "1", "tvd3", 0.086),
    Bar("adult-coded", "1", "auc", 0.905, least=True),
    Bar("adult-coded", "1", "cpu_seconds", 15),
    Bar("adult-coded", "1", "peak_mb", 500),
    Bar("adult-coded", "1", "cpu_seconds", factor=1 / 20, peers=PEER_AIM),
    Bar("adult-coded", "1", "cpu_seconds", 2, systems=("mst",)),
    Bar("adult-coded", "1", "cpu_seconds", 4, systems=("aim-pairs",)),
    *(Bar("adult-coded", epsilon, figure, peers=PEERS) for epsilon in ("0.1", "10") for figure in ("tvd2", "tvd3")),
    *(Bar("adult-coded", epsilon, "auc", peers=PEERS, least=True) for epsilon in ("0.1", "10")),
    Bar("nist-10", "1", "k_marginal", 983, least=True),
    Bar("nist-10", "1", "violations", 0),
    Bar("nist-24", "1", "k_marginal", 880, least=True),
    Bar("nist-24", "1", "violations", 0),
    Bar("adult-deep", "1", "auc", 0.885, systems=("dpctgan",), least=True),
    Bar("adult-deep", "1", "tvd2", 0.045, systems=("dpctgan",)),
    Bar("adult-deep", "10", "auc", 0.90, systems=("dpctgan",), least=True),
    Bar("adult-deep", "10", "tvd2", 0.035, systems=("dpctgan",)),
    Bar("adult-deep", "1", "auc", 0.82, systems=("dpctgan-alone",), least=True),
    Bar("adult-deep", "1", "tvd2", 0.09, systems=("dpctgan-alone",)),
    Bar("adult-deep", "10", "auc", 0.85, systems=("dpctgan-alone",), least=True),
    Bar("adult-deep", "10", "tvd2", 0.07, systems=("dpctgan-alone",)),
    Bar("adult-deep", "1", "auc", 0.885, systems=("dptvae",), least=True),
    Bar("adult-deep", "1", "tvd2", 0.045, systems=("dptvae",)),
    Bar("adult-deep", "10", "auc", 0.90, systems=("dptvae",), least=True),
    Bar("adult-deep", "10", "tvd2", 0.035, systems=("dptvae",)),
    Bar("adult-deep", "1", "auc", 0.86, systems=("pategan",), least=True),
    Bar("adult-deep", "1", "tvd2", 0.055, systems=("pategan",)),
    Bar("adult-deep", "1", "auc", 0.62, systems=("pategan-alone",), least=True),
    Bar("adult-deep", "1", "tvd2", 0.10, systems=("pategan-alone",)),
    *(
        Bar("adult-deep", "1", figure, limit, systems=(system,), least=figure == "auc")
        for system in ("dpctgan", "dptvae", "pategan")
        for figure, limit in (("auc", BEST_AUC), ("tvd2", BEST_PAIRS))
    ),
    *(
        Bar("adult-deep", epsilon, figure, limit, systems=(system,))
        for system in ("dpctgan", "dptvae")
        for figure, limit in (("peak_mb", 3_000), ("seconds", 600))
        for epsilon in ("1", "10")
    ),
    Bar("wide", "1", "cpu_seconds", 180, systems=("mst",)),
    Bar("wide", "1", "cpu_seconds", 600, systems=("auto",)),
    Bar("wide", "1", "peak_mb", 4_000),
    Bar("long", "1", "sample_seconds", 60, systems=("mst",)),
)


def bars_of(record: Record) -> str:
    """Return the bars as a Markdown table: what was due, what was measured, and whether that is enough."""
    lines = ["| table | epsilon | system | figure | due | measured | met |", "|---|---|---|---|---|---|---|"]
    for bar in BARS:
        runs = newest(record.runs(bar.table))
        system, measured = _first(runs, bar)
        limit = bar.limit if not bar.peers else _best_peer(runs, bar)
        sign = "at least" if bar.least else "at most"
        due = "no peer finished" if limit is None else f"{sign} {limit:.4g}"
        if bar.peers and limit is None and (spent := _spent_in_vain(runs, bar)) is not None:
            limit = bar.factor * spent
            due = f"at most {limit:.4g} ({bar.factor:.3g} of {spent:.4g} s in which no peer AIM finished)"
        elif bar.peers and limit is not None:
            due += f" ({'the best peer' if bar.factor == 1 else f'{bar.factor:.3g} of the fastest peer AIM'})"
        compare: Callable[[float, float], bool] = operator.ge if bar.least else operator.le
        met = "" if measured is None or limit is None else ("yes" if compare(measured, limit) else "**no**")
        shown = "not run" if measured is None else f"{measured:.4g}"
        lines.append(f"| {bar.table} | {bar.epsilon} | {system} | {bar.figure} | {due} | {shown} | {met} |")
    return "\n".join(lines) + "\n"


def _first(runs: Sequence[Run], bar: Bar) -> tuple[str, float | None]:
    """Return the first system that is recorded, with its mean."""
    for system in bar.systems:
        found = _mean(runs, system, bar)
        if found is not None:
            return system, found
    return " or ".join(bar.systems), None


def _best_peer(runs: Sequence[Run], bar: Bar) -> float | None:
    """Return the limit that the peers set, with the samplers that suit them best."""
    found = [value for peer in bar.peers if (value := _mean(runs, peer, bar)) is not None]
    variants = [
        figures[bar.figure]
        for run in runs
        if run.system in bar.peers and run.epsilon == bar.epsilon
        for figures in run.variants.values()
        if bar.figure in figures
    ]
    if not found:
        return None
    return bar.factor * (max if bar.least else min)([*found, *variants])


def _spent_in_vain(runs: Sequence[Run], bar: Bar) -> float | None:
    """Return the least processor time after which a peer was stopped before its end: none of them was faster."""
    if bar.figure != "cpu_seconds":
        return None
    stopped = [
        run.cost["process_cpu_seconds"]
        for run in runs
        if run.system in bar.peers and run.epsilon == bar.epsilon and run.outcome.startswith(UNFINISHED)
    ]
    return min(stopped, default=None)


def _mean(runs: Sequence[Run], system: str, bar: Bar) -> float | None:
    """Return the mean over the finished runs of one system that have the figure."""
    known = [
        {**run.cost, **run.figures}
        for run in runs
        if (run.system, run.epsilon) == (system, bar.epsilon) and run.finished
    ]
    values = [figures[bar.figure] for figures in known if bar.figure in figures]
    return float(np.mean(values)) if values else None
