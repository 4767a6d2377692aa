"""What the rule of `auto` rests on: the recorded distances of the generators that it picks among, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.record import Record, Run, newest

GENERATORS = ("all_marginals", "aim", "mwem", "mixture", "independent")

REFUSE_LARGE = ("all_marginals",)
"""They refuse tables of many cells, so that nothing can be recorded there."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One line of the table.

    Attributes:
        table: name of the table.
        title: what the page calls it.
        epsilon: as it is recorded.
        signal: the declared rows times mu, rounded.
        picked: the generator that `auto` picks there.
    """

    table: str
    title: str
    epsilon: str
    signal: str
    picked: str


_BINARY, _COARSE = "ten yes-or-no questions, 1,024 cells", "eight coarse columns, 15,360 cells"
EVIDENCE = (
    Evidence("adult-binary", _BINARY, "0.1", "600", "all_marginals"),
    Evidence("adult-binary", _BINARY, "1", "5,500", "all_marginals"),
    Evidence("adult-binary", _BINARY, "10", "46,000", "all_marginals"),
    Evidence("excerpt-coarse", _COARSE, "0.1", "600", "all_marginals"),
    Evidence("excerpt-coarse", _COARSE, "1", "5,500", "all_marginals"),
    Evidence("excerpt-coarse", _COARSE, "10", "46,000", "all_marginals"),
    Evidence("nist-10", "census excerpt, ten features", "1", "6,400", "aim"),
    Evidence("adult-raw", "raw Adult", "1", "5,500", "aim"),
    Evidence("adult-coded", "coded Adult", "0.01", "87", "mixture"),
    Evidence("adult-coded", "coded Adult", "0.03", "250", "mixture"),
    Evidence("adult-coded", "coded Adult", "0.1", "800", "aim"),
    Evidence("adult-coded", "coded Adult", "1", "7,300", "aim"),
    Evidence("adult-coded", "coded Adult", "10", "62,000", "aim"),
)


def evidence_of(record: Record) -> str:
    """Return the distances over pairs and over triples, the least over pairs in bold, as Markdown."""
    header = ["table", "epsilon", "rows times mu", *(f"`{name}`" for name in GENERATORS), "picked"]
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    before = ""
    for line in EVIDENCE:
        runs = newest(record.runs(line.table))
        found = [_means(runs, name, line.epsilon) for name in GENERATORS]
        least = min(pairs for pairs, _ in filter(None, found))
        cells = [
            _written(means, bold=means[0] == least) if means else "refuses" if name in REFUSE_LARGE else "not run"
            for name, means in zip(GENERATORS, found, strict=True)
        ]
        title = "" if line.title == before else line.title
        lines.append(f"| {' | '.join([title, line.epsilon, line.signal, *cells, f'`{line.picked}`'])} |")
        before = line.title
    return "\n".join(lines) + "\n"


def _means(runs: Sequence[Run], system: str, epsilon: str) -> tuple[float, float] | None:
    found = [run.figures for run in runs if (run.system, run.epsilon) == (system, epsilon) and run.finished]
    if not found:
        return None
    pairs, triples = (float(np.mean([figures[name] for figures in found])) for name in ("tvd2", "tvd3"))
    return pairs, triples


def _written(means: tuple[float, float], *, bold: bool) -> str:
    digits = 4 if means[0] < 0.01 else 3
    text = " / ".join(f"{mean:.{digits}f}".removeprefix("0") for mean in means)
    return f"**{text}**" if bold else text
