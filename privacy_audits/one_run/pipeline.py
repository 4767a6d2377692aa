"""From a file with planted rows to an exported file, and guesses about the plants from the exported file alone."""

from __future__ import annotations

import csv
import itertools
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.attacks.one_run import one_run_epsilon_lower
from dpsynth.attacks.one_run_gaussian import gaussian_one_run_mu_lower, gaussian_one_run_p_value
from dpsynth.curator import Curator
from dpsynth.curator.sources.csv_file import CsvFile
from dpsynth.generators.registry import GENERATORS
from dpsynth.ledger import Ledger
from dpsynth.randomness import SystemNoise, secret_coins
from dpsynth.schema.codec import encode_cells
from dpsynth.schema.schema import Schema

REGIONS, ROWS_EACH = 2000, 12
_GUESSES_EACH = 120
"""Coins that are called heads, and as many that are called tails: those that the attacker is surest of."""

_CONFIDENCE = 0.975
_TIMES_AS_MANY_ROWS = 4
"""In the exported table, so that rounding to whole rows hides nothing."""

_NAMES = ("region", "age", "retired")
_PLANTED = ("45", "yes")
_PUBLIC_CELLS = (("25", "no"), ("44", "no"), ("", "no"), ("61", "yes"), ("79", "yes"), ("66", "no"))

SCHEMA = Schema.from_text(
    f"""
name: regions
fields:
  - name: region
    type: string
    categories: [{", ".join(f"r{place}" for place in range(REGIONS))}]
    constraints: {{required: true}}
    dpsynth: {{rare: keep}}
  - {{name: age, type: integer, constraints: {{minimum: 18, maximum: 97}}, dpsynth: {{bins: 4}}}}
  - {{name: retired, type: string, categories: ["no", "yes"]}}
dpsynth:
  unit: {{kind: row}}
  public_rows: {REGIONS * ROWS_EACH}
  constraints:
    - {{if: age < 38, then: retired == "no"}}
""",
    source="the auditor's table",
)


@dataclass(frozen=True, slots=True)
class OneRun:
    """What one run of one generator counts.

    Attributes:
        generator: its name.
        epsilon: of the claim.
        delta: of the claim.
        canaries: how many coins there were.
        included: how many canaries were in the file.
        guesses: how many coins are guessed; the others are left open.
        right: guesses that are right, of the attacker who looks at measured tables.
        right_of_copies: the same, of the attacker who looks for rows that equal a canary.
        charged: squared mu, as a fraction.
    """

    generator: str
    epsilon: str
    delta: str
    canaries: int
    included: int
    guesses: int
    right: int
    right_of_copies: int
    charged: str

    @property
    def claimed_mu(self) -> float:
        """The Gaussian-DP parameter that the claim buys."""
        return math.sqrt(self._claimed)

    @property
    def _claimed(self) -> Fraction:
        return mu_squared_from_budget(PrivacyBudget(self.epsilon, self.delta))

    @property
    def most(self) -> int:
        """Right guesses of the better attacker."""
        return max(self.right, self.right_of_copies)

    @property
    def mu_lower(self) -> float:
        """What mu exceeds with 95 % confidence; the better of two attackers errs half as often."""
        return gaussian_one_run_mu_lower(
            canaries=self.canaries, guesses=self.guesses, correct=self.most, confidence=_CONFIDENCE
        )

    @property
    def epsilon_lower(self) -> float:
        """What epsilon exceeds at the claimed delta with 95 % confidence, whatever the mechanism."""
        return one_run_epsilon_lower(
            canaries=self.canaries,
            guesses=self.guesses,
            correct=self.most,
            delta=float(self.delta),
            confidence=_CONFIDENCE,
        )

    def problems(self, significance: float) -> tuple[str, ...]:
        """Return what refutes the claim, in sentences; honest runs have some with at most that probability."""
        found = []
        chance = gaussian_one_run_p_value(
            canaries=self.canaries, guesses=self.guesses, correct=self.most, mu=self.claimed_mu
        )
        if 2 * chance <= significance:
            found.append(
                f"{self.most} of {self.guesses} guesses are right: mu is above {self.mu_lower:.2f}, claimed is "
                f"{self.claimed_mu:.2f}"
            )
        if Fraction(self.charged) > self._claimed:
            found.append("the run was charged more than its budget")
        return tuple(found)

    def counts(self) -> dict[str, Any]:
        """Return all fields, as JSON."""
        return asdict(self)


def one_run(maker: Any, claim: PrivacyBudget, *, rng: np.random.Generator, held: PrivacyBudget | None = None) -> OneRun:
    """Run everything once.

    Args:
        maker: the generator; one with a method `told_of(path)` is told where the rows lie, which only a twin has.
        claim: what it is told to spend, and what is judged.
        rng: public randomness; coins and noise are the operating system's.
        held: what the ledger holds, if that is not the claim.

    Raises:
        DpsynthError: a fit failed.
    """
    coins = secret_coins(SystemNoise(), REGIONS, 1, 2)
    with tempfile.TemporaryDirectory() as folder:
        file, exported = Path(folder, "rows.csv"), Path(folder, "exported.csv")
        _write(file, coins)
        if hasattr(maker, "told_of"):
            maker.told_of(file)
        ledger = Ledger("sqlite://")
        ledger.set_budget(
            SCHEMA.dataset, held or claim, unit=SCHEMA.unit.describe(), event_delta=_event_delta(maker, claim)
        )
        curator = Curator.open(file, SCHEMA, ledger=ledger)
        model = maker.fit(curator, claim, rng=rng)
        model.sample(_TIMES_AS_MANY_ROWS * REGIONS * ROWS_EACH, rng=rng).write(exported)
        codes, total = _codes(exported), float(model.total)
    tables = _excess(codes, total, _weights(model))
    rows = _excess(codes, total, {_NAMES: 1.0}) + rng.random(REGIONS) / REGIONS
    charged = sum((cost_of(event).mu_squared or Fraction(10**9) for _, event in curator.charged), Fraction(0))
    return OneRun(
        maker.name,
        f"{claim.epsilon:f}",
        f"{claim.delta:f}",
        REGIONS,
        int(coins.sum()),
        2 * _GUESSES_EACH,
        _right(tables, coins),
        _right(rows, coins),
        str(charged),
    )


def _right(score: NDArray[np.float64], coins: NDArray[np.bool_]) -> int:
    """Return how many guesses are right: heads for the highest scores, tails for the lowest, the others left open."""
    surest = np.argsort(score)
    return int(coins[surest[-_GUESSES_EACH:]].sum() + (~coins[surest[:_GUESSES_EACH]]).sum())


def _event_delta(maker: Any, claim: PrivacyBudget) -> Decimal:
    """Return what trainings may spend on events with a delta of their own: half of the claim's."""
    trains = any(entry.name == maker.name and "Gradient" in entry.access for entry in GENERATORS)
    return claim.delta / 2 if trains else Decimal(0)


def _public_rows() -> list[tuple[str, str, str]]:
    """Return the public rows; those of a region repeat some cells, none of them those of a canary."""
    cells = itertools.islice(itertools.cycle(_PUBLIC_CELLS), ROWS_EACH)
    return [(f"r{place}", age, retired) for age, retired in cells for place in range(REGIONS)]


def _write(path: Path, coins: NDArray[np.bool_]) -> None:
    planted = [(f"r{place}", *_PLANTED) for place in np.flatnonzero(coins)]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([_NAMES, *_public_rows(), *planted])


def _codes(path: Path) -> NDArray[np.int32]:
    """Return the codes of a file as its reader has them, shape (rows, columns)."""
    source = CsvFile(path)
    places = [source.column_names().index(name) for name in _NAMES]
    pieces = [
        encode_cells(SCHEMA, {name: batch[place] for name, place in zip(_NAMES, places, strict=True)})
        for batch in source.batches()
    ]
    return np.concatenate(pieces)


def _weights(model: Any) -> dict[tuple[str, ...], float]:
    """Return the weight of each set of columns that knows of regions: its measured precision, where any is measured.

    A set that the model does not know brings nothing but the luck of dealing rows.
    """
    weights: dict[tuple[str, ...], float] = {}
    for answer in getattr(model, "measurements", ()):
        if _NAMES[0] in answer.clique:
            weights[tuple(answer.clique)] = weights.get(tuple(answer.clique), 0.0) + answer.stddev**-2
    return weights or dict.fromkeys([_NAMES[:1], _NAMES[:2], _NAMES[::2]], 1.0)


def _excess(codes: NDArray[np.int32], total: float, weights: Mapping[tuple[str, ...], float]) -> NDArray[np.float64]:
    """Return by how many rows like its canary each region exceeds the public rows, weighted, shape (regions,)."""
    public, canary, found = _encoded(_public_rows()), _encoded([("r0", *_PLANTED)])[0], np.zeros(REGIONS)
    for clique, weight in weights.items():
        others = [place for place, name in enumerate(_NAMES) if place and name in clique]
        for rows, sign in ((codes, total / max(len(codes), 1)), (public, -1.0)):
            alike = (rows[:, others] == canary[others]).all(axis=1)
            found += weight * sign * np.bincount(rows[alike, 0], minlength=REGIONS)[:REGIONS]
    return found


def _encoded(rows: Sequence[tuple[str, ...]]) -> NDArray[np.int32]:
    return encode_cells(SCHEMA, {name: [row[place] for row in rows] for place, name in enumerate(_NAMES)})
