"""Runs everything once for each generator and epsilon, and twins that must be caught."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.auditing.audit_record import CAMPAIGN_SIGNIFICANCE
from dpsynth.curator.sources.csv_file import CsvFile
from dpsynth.generators.base import FittedSynthesizer, Synthesizer
from dpsynth.generators.registry import GENERATORS, generator
from dpsynth.schema.codec import encode_cells
from dpsynth.schema.table import SyntheticTable
from privacy_audits.known_bad import Spends
from privacy_audits.one_run.pipeline import SCHEMA, OneRun, one_run
from privacy_audits.recorded_result import read_counts, recorded
from privacy_audits.tried_twin import TriedTwin, found_in, slipped

FOLDER = Path(__file__).parent
EPSILONS = (1, 5)
DELTA = "1e-2"
AUDITED = tuple(entry.name for entry in GENERATORS if entry.name != "auto")
"""`auto` is one of the others."""

SMOKE = SPENDING = ("independent", "all_marginals")
TWINS = ("a generator that memorises the file", *(f"{name} spends 5 and claims 1" for name in SPENDING))
EACH = CAMPAIGN_SIGNIFICANCE / (len(EPSILONS) * len(AUDITED))


@dataclass
class Memorises:
    """Fits as it should, and then hands out rows of the file."""

    inner: Synthesizer[Any]
    name: str = "memorises"
    path: Path = field(default_factory=Path)

    def told_of(self, path: Path) -> None:
        """Take note of where the rows lie."""
        self.path = path

    def fit(self, curator: Any, budget: PrivacyBudget, *, rng: np.random.Generator) -> Any:
        """Return an honest model with another sampler."""
        source = CsvFile(self.path)
        names, (batch, *_) = source.column_names(), source.batches()
        codes = encode_cells(SCHEMA, dict(zip(names, batch, strict=True)))
        return _HandsOut(self.inner.fit(curator, budget, rng=rng), codes)


@dataclass(frozen=True, eq=False)
class _HandsOut:
    model: FittedSynthesizer
    codes: Any

    @property
    def total(self) -> float:
        return float(self.model.total)

    def sample(self, rows: int, *, rng: np.random.Generator) -> SyntheticTable:
        return SyntheticTable(SCHEMA, self.codes[rng.integers(len(self.codes), size=rows)], 0, {})


def honest(names: Sequence[str]) -> Iterator[OneRun]:
    """Yield what each generator counts at each epsilon."""
    for name in names:
        for epsilon in EPSILONS:
            yield one_run(generator(name), PrivacyBudget(epsilon, DELTA), rng=np.random.default_rng())


def twins(names: Sequence[str] = SPENDING) -> list[dict[str, Any]]:
    """Return what is counted in each twin."""
    one, five = (PrivacyBudget(epsilon, DELTA) for epsilon in EPSILONS)
    found = []
    for title, maker, held in (
        (TWINS[0], Memorises(generator("independent")), one),
        *((f"{name} spends 5 and claims 1", Spends(generator(name), five), five) for name in names),
    ):
        counted = one_run(maker, one, rng=np.random.default_rng(), held=held)
        found.append({"name": title, "counts": counted.counts()})
    return found


def tried(counts: dict[str, Any]) -> list[TriedTwin]:
    """Return what follows from what was counted in each twin; nothing from one that was not tried.

    A twin that spends more than it claims stands before a door that has as much, so it is charged more than its claim
    whatever it shows. That is not due: guesses are.
    """
    found = {twin["name"]: found_in(twin, lambda plain: OneRun(**plain).problems(EACH)) for twin in counts["twins"]}
    return [TriedTwin(name, ("guesses are right",), found.get(name, ())) for name in TWINS]


def summary() -> str:
    """Return the text of summary.md, from the recorded counts alone."""
    counts = read_counts(FOLDER, "one_run")
    if counts is None:
        return "# One run of everything: summary\n\nNothing is recorded.\n"
    lines = [
        "# One run of everything: summary",
        "",
        "Made from `results/` by `python -m privacy_audits.one_run.campaign --summary`. Bounds are one-sided,",
        "95 %, from one run; epsilon is that of any mechanism at delta 0.01.",
        "",
        "| generator | claimed epsilon | claimed mu | canaries in the file | right by tables | right by copies "
        "| shown mu | shown epsilon | verdict |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for plain in counts["runs"]:
        run = OneRun(**plain)
        lines.append(
            f"| `{run.generator}` | {run.epsilon} | {run.claimed_mu:.3f} | {run.included} of {run.canaries} "
            f"| {run.right} of {run.guesses} | {run.right_of_copies} "
            f"| {run.mu_lower:.3f} | {run.epsilon_lower:.2f} "
            f"| {'**refuted**' if run.problems(EACH) else 'holds'} |"
        )
    lines += ["", "| known-bad twin | caught by |", "|---|---|"]
    lines += [f"| {twin.name} | {'; '.join(twin.reasons) or '**not by what is due**'} |" for twin in tried(counts)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Do what the command line asks for; the exit code is 1 where something honest fails or a twin passes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="two generators; nothing is recorded")
    parser.add_argument("--summary", action="store_true", help="rewrite summary.md from the recorded results")
    given = parser.parse_args()
    if given.smoke:
        sys.exit(1 if _said({"runs": [run.counts() for run in honest(SMOKE)], "twins": twins(SMOKE)}) else 0)
    if not given.summary:
        with recorded(FOLDER, "one_run") as counts:
            counts["runs"] = [run.counts() for run in honest(AUDITED)]
            counts["twins"] = twins()
    (FOLDER / "summary.md").write_text(summary(), encoding="utf-8")
    sys.exit(1 if _said(read_counts(FOLDER, "one_run") or {"runs": [], "twins": []}) else 0)


def _said(counts: dict[str, Any]) -> bool:
    """Say what failed, and return whether something did."""
    broken = [
        f"{run.generator} at epsilon {run.epsilon}"
        for run in (OneRun(**plain) for plain in counts["runs"])
        if run.problems(EACH)
    ]
    missed = slipped(tried(counts))
    sys.stdout.write(f"refuted: {', '.join(broken) or 'none'}; not caught: {', '.join(missed) or 'none'}\n")
    return bool(broken or missed)


if __name__ == "__main__":
    main()
