"""Doors, generators and curators that break the promise, each as real software did; the replay must catch them all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator import Curator
from dpsynth.curator._sealed import unseal
from dpsynth.curator.allowance import Allowance
from dpsynth.curator.clipping import LATTICE, OuterProducts, whole
from dpsynth.curator.gradients import Training, UnitBatches
from dpsynth.curator.marginals import MarginalCounter
from dpsynth.curator.votes import Teachers
from dpsynth.errors import InvalidInput
from dpsynth.generators.independent import Independent
from dpsynth.generators.registry import generator
from dpsynth.ledger import Ledger
from dpsynth.mechanisms.base import Sensitivity
from dpsynth.mechanisms.rounded_gaussian import RoundedGaussianMechanism
from dpsynth.progress import phase
from dpsynth.randomness import NoiseSource, SystemNoise
from dpsynth.schema.schema import Schema
from privacy_audits.replay.replay import Run, fit_of
from privacy_audits.replay.scenes import FIELDS, PEOPLE, PLAIN, ROWS, Row, Scene
from privacy_audits.replay.subjects import training_of, voting_of

TEN: list[Row] = [{**PLAIN, "smoker": place % 2 == 0, "age": 9 * place, "stage": "none"} for place in range(10)]
_KINDS: tuple[Row, ...] = (
    PLAIN,
    {"smoker": False, "stage": "none", "age": 3, "cost": 900.0},
    {"smoker": False, "stage": "late", "age": 50, "cost": 0},
    {"smoker": True, "stage": "early", "age": 80, "cost": 400},
)
_SLICED = tuple(_KINDS[kind] for kind in (2, 2, 1, 1, 0, 0, 0, 0))
_HALF = PrivacyBudget(1, "1e-5")


_DUE = {
    "categories read from rows": "other control flow",
    "an exception for a value out of bounds": "what is raised differs",
    "a progress bar as long as the table": "what who waits is told differs",
    "a branch on the number of rows": "other control flow",
    "a generator that memorises": "what is published differs",
    "memorises for large samples only": "what is published differs",
    "a seed of the spread read from rows": "what is published differs",
    "error bars read from rows": "what is published differs",
    "sums divided by the batch that was drawn": "what is published differs",
    "every second charge skipped": "left and was not charged",
    "noise beside the gate": "drew noise beside the gate",
}
"""Of all others a question must be seen to move further than is declared."""


@dataclass(frozen=True, eq=False)
class Twin:
    """What must be caught.

    Attributes:
        name: the mistake.
        like: whose mistake it was, or which rule it breaks.
        run: what is run, with the mistake if it is the run's.
        unit: the rows of the unit that shows it.
        schema: of the tables.
        rows: that both tables have.
        damage: puts the mistake into the curator, if it is the curator's.
    """

    name: str
    like: str
    run: Run
    unit: list[Row]
    schema: Schema = ROWS
    rows: tuple[Row, ...] = tuple(TEN)
    damage: Callable[[], AbstractContextManager[Any]] = field(default=nullcontext)

    @property
    def due(self) -> str:
        """Words of the difference that must be found."""
        return _DUE.get(self.name, "moved by")

    @property
    def scene(self) -> Scene:
        """The rows, and the unit."""
        return Scene.of(self.name, self.schema, list(self.rows), self.unit)


# ------------------------------------------------------------------------------------------------------------- doors


def categories_from_rows(table: pd.DataFrame, schema: Schema, ledger: Ledger, noise: NoiseSource) -> Curator:
    """Declare the categories that occur."""
    found = sorted({cell for cell in table["stage"] if isinstance(cell, str) and cell})
    return Curator.open(
        table, _changed(schema, "[none, early, late]", f"[{', '.join(found)}]"), ledger=ledger, noise=noise
    )


def bounds_from_rows(table: pd.DataFrame, schema: Schema, ledger: Ledger, noise: NoiseSource) -> Curator:
    """Declare the smallest and the largest age that occur as bounds."""
    ages = [cell for cell in table["age"] if isinstance(cell, int)]
    bounds = f"{{minimum: {min(ages)}, maximum: {max(ages)}}}"
    return Curator.open(table, _changed(schema, "{minimum: 0, maximum: 99}", bounds), ledger=ledger, noise=noise)


def refuses_what_is_out_of_bounds(table: pd.DataFrame, schema: Schema, ledger: Ledger, noise: NoiseSource) -> Curator:
    """Raise where a cell does not fit."""
    if any(not 0 <= age <= 99 for age in table["age"]):
        raise InvalidInput("an age is out of bounds")
    return Curator.open(table, schema, ledger=ledger, noise=noise)


def tells_who_waits(table: pd.DataFrame, schema: Schema, ledger: Ledger, noise: NoiseSource) -> Curator:
    """Show a progress bar as long as the table."""
    with phase("look at rows", len(table)):
        return Curator.open(table, schema, ledger=ledger, noise=noise)


def _changed(schema: Schema, old: str, new: str) -> Schema:
    assert schema is ROWS  # noqa: S101 - doors of this file know one schema
    return Schema.from_text(
        FIELDS.replace(old, new) + "dpsynth: {unit: {kind: row}, public_rows: 40}\n", source="the rows"
    )


# -------------------------------------------------------------------------------------------------------- generators


@dataclass(frozen=True)
class CountsRows:
    """Asks once more where there are more than ten rows."""

    inner: Any = field(default_factory=Independent)

    def fit(self, curator: Any, budget: PrivacyBudget, *, rng: np.random.Generator) -> Any:  # noqa: ARG002
        """Return the honest model, after an honest question too many."""
        with curator.within(_HALF, purpose="look") as session:
            session.measure(("smoker",), session.mu_squared / 4)
            if len(unseal(curator.sealed_rows()).training[0]) > len(TEN):
                session.measure(("stage",), session.mu_squared / 4)
        return self.inner.fit(curator, _HALF, rng=rng)


@dataclass(frozen=True)
class Memorises:
    """Puts a real row into every sample of at least so many rows."""

    inner: Any = field(default_factory=Independent)
    fewest: int = 1

    def fit(self, curator: Any, budget: PrivacyBudget, *, rng: np.random.Generator) -> Any:
        """Return a model that has seen the last row."""
        model = self.inner.fit(curator, budget, rng=rng)
        rows = unseal(curator.sealed_rows()).training
        return _Remembers(model, [int(column[-1]) for column in rows], self.fewest)


@dataclass(frozen=True)
class _Remembers:
    model: Any
    row: list[int]
    fewest: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def sample(self, rows: int, *, rng: np.random.Generator) -> Any:
        table = self.model.sample(rows, rng=rng)
        if rows >= self.fewest:
            table.codes.flags.writeable = True
            table.codes[0] = self.row
        return table


@dataclass(frozen=True)
class SpreadsByRows:
    """Draws honest codes, and hides the number of rows in the seed that spreads values inside of bins."""

    inner: Any = field(default_factory=Independent)

    def fit(self, curator: Any, budget: PrivacyBudget, *, rng: np.random.Generator) -> Any:
        """Return a model that knows how many rows there are."""
        model = self.inner.fit(curator, budget, rng=rng)
        return _Spreads(model, len(unseal(curator.sealed_rows()).training[0]))


@dataclass(frozen=True)
class _Spreads:
    model: Any
    seed: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def sample(self, rows: int, *, rng: np.random.Generator) -> Any:
        return replace(self.model.sample(rows, rng=rng), spread_seed=self.seed)


@dataclass(frozen=True)
class KnowsItsErrors:
    """Draws honest rows and saves an honest model, and states error bars that follow from the real table."""

    inner: Any = field(default_factory=Independent)

    def fit(self, curator: Any, budget: PrivacyBudget, *, rng: np.random.Generator) -> Any:
        """Return a model that knows how many rows there are."""
        model = self.inner.fit(curator, budget, rng=rng)
        return _Knows(model, len(unseal(curator.sealed_rows()).training[0]))


@dataclass(frozen=True)
class _Knows:
    model: Any
    rows: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def error_bars(self, table: Any, *, rng: np.random.Generator) -> Any:
        stated = self.model.error_bars(table, rng=rng)
        return replace(
            stated, bars=tuple(replace(bar, expected=abs(self.model.total - self.rows)) for bar in stated.bars)
        )


# ----------------------------------------------------------------------------------------------------------- curators


def sensitivity_of_one_row() -> AbstractContextManager[Any]:
    """Declare that a unit moves one cell by one, however many rows it may have."""
    return patch("dpsynth.curator.marginals.marginal_sensitivity", lambda unit: Sensitivity(1, 1, 1))  # noqa: ARG005


def rows_of_a_unit_not_bounded() -> AbstractContextManager[Any]:
    """Keep all rows of everybody."""
    return patch("dpsynth.curator.ingest._bounded", lambda units, most, noise: np.arange(len(units)))  # noqa: ARG005


def _steps(gradients: Any) -> tuple[OuterProducts, ...]:
    numbers = np.nan_to_num(gradients * LATTICE, nan=-(2.0**60), posinf=2.0**60, neginf=-(2.0**60))
    return (OuterProducts.of_vectors(np.trunc(numbers)),)


def not_clipped() -> AbstractContextManager[Any]:
    """Add gradients up as they are."""
    return patch("dpsynth.curator.gradients.clipped", lambda parts, norm: _steps(whole(parts) / norm))


def not_a_number_past_clipping() -> AbstractContextManager[Any]:
    """Clip by min(1, norm / length), which is not a number where the length is none."""

    def clipped(parts: Any, norm: float) -> Any:
        gradients = whole(parts)
        with np.errstate(all="ignore"):
            length = np.linalg.norm(gradients, axis=1, keepdims=True)
            return _steps(gradients * np.where(length > norm, norm / length, 1.0) / norm * (1 - 1e-9))

    return patch("dpsynth.curator.gradients.clipped", clipped)


def clipped_by_parts() -> AbstractContextManager[Any]:
    """Clip every coordinate, and not the whole gradient."""
    return patch(
        "dpsynth.curator.gradients.clipped",
        lambda parts, norm: _steps(np.clip(np.nan_to_num(whole(parts)), -norm, norm) / norm),
    )


def divided_by_the_batch() -> AbstractContextManager[Any]:
    """Divide the noisy sum by how many units are really in the batch."""
    size = {"now": 1}
    drawn, parts = UnitBatches.drawn, Training._parts  # noqa: SLF001

    def counted(self: UnitBatches, noise: NoiseSource, probability: float) -> Any:
        batch = drawn(self, noise, probability)
        size["now"] = max(len(batch), 1)
        return batch

    return _both(
        patch.object(UnitBatches, "drawn", counted),
        patch.object(Training, "_parts", lambda self, noisy: tuple(part / size["now"] for part in parts(self, noisy))),
    )


class _SharedRows(Teachers):
    """Every teacher learns from all rows."""

    __slots__ = ("_everybody",)

    def __init__(self, rows: Any, count: int, key: bytes) -> None:
        super().__init__(rows, count, key)
        self._everybody = Teachers(rows, 1, key) if count > 1 else None

    def votes(self, teaching: Any, samples: Any, generated: Any) -> Any:
        if self._everybody is None:
            return super().votes(teaching, samples, generated)
        votes = self._everybody.votes(type(teaching)(1, teaching.groups, teaching.likeness), samples, generated)
        return np.repeat(votes, self.count, axis=1)


class _BySlices(Teachers):
    """Rows are dealt out in slices of one length, so one more row moves the borders."""

    __slots__ = ()

    def __init__(self, rows: Any, count: int, key: bytes) -> None:
        super().__init__(rows, count, key)
        number = len(rows.training[0])
        teacher = np.arange(number) * count // max(number, 1)
        self._codes = tuple(rows.training)
        self._present, self._starts = np.unique(teacher, return_index=True)


def teachers_are(kind: type[Teachers]) -> Callable[[], AbstractContextManager[Any]]:
    """Return what puts other teachers into the classroom."""
    return lambda: patch("dpsynth.curator.votes.Teachers", kind)


def every_second_charge_skipped() -> AbstractContextManager[Any]:
    """Forget every second charge."""
    honest, count = Allowance.charge, {"now": 0}

    def charge(self: Allowance, purpose: str, event: Any) -> None:
        count["now"] += 1
        if count["now"] % 2:
            honest(self, purpose, event)

    return patch.object(Allowance, "charge", charge)


def noise_beside_the_gate() -> AbstractContextManager[Any]:
    """Make a noisy copy of every marginal, as large as it is paid for, for whoever wants it."""
    honest = MarginalCounter.query

    def query(self: MarginalCounter, clique: Any, groupings: Any) -> Any:
        asked = honest(self, clique, groupings)
        RoundedGaussianMechanism(Fraction(100))(unseal(asked.value), sensitivity=asked.sensitivity, noise=SystemNoise())
        return asked

    return patch.object(MarginalCounter, "query", query)


def _both(*patches: Any) -> AbstractContextManager[Any]:
    from contextlib import ExitStack

    stack = ExitStack()
    for one in patches:
        stack.enter_context(one)
    return stack


def twins() -> tuple[Twin, ...]:
    """Return everything that must be caught; twins that train need PyTorch."""
    one, unseen = [PLAIN], [{**PLAIN, "stage": "unheard"}]
    extreme, nameless = [{**PLAIN, "age": 5000}], [{**PLAIN, "age": None}]
    fit, train, vote = fit_of(generator("independent")), training_of(), voting_of()
    people = {"schema": PEOPLE}
    return (
        Twin(
            "categories read from rows",
            "dpmm issue 24, reprosyn 38",
            fit_of(Independent(), categories_from_rows),
            unseen,
        ),
        Twin("bounds read from rows", "dpmm issue 18, synthcity 278", fit_of(Independent(), bounds_from_rows), extreme),
        Twin(
            "an exception for a value out of bounds",
            "rule 7",
            fit_of(Independent(), refuses_what_is_out_of_bounds),
            extreme,
        ),
        Twin("a progress bar as long as the table", "rule 32", fit_of(Independent(), tells_who_waits), one),
        Twin("a branch on the number of rows", "Diffprivlib, synthcity", fit_of(CountsRows()), one),
        Twin("a generator that memorises", "DataSynthesizer", fit_of(Memorises()), one),
        Twin("memorises for large samples only", "DataSynthesizer", fit_of(Memorises(fewest=1000)), one),
        Twin("a seed of the spread read from rows", "rule 32", fit_of(SpreadsByRows()), one),
        Twin("error bars read from rows", "rule 32", fit_of(KnowsItsErrors()), one),
        Twin(
            "sensitivity of one row for a unit of many",
            "dp-recorder",
            fit,
            [PLAIN] * 5,
            **people,
            damage=sensitivity_of_one_row,
        ),
        Twin("rows of a unit not bounded", "rule 8", fit, [PLAIN] * 5, **people, damage=rows_of_a_unit_not_bounded),
        Twin("gradients not clipped", "dp-recorder", train, one, damage=not_clipped),
        Twin("not a number past clipping", "dp-recorder", train, nameless, damage=not_a_number_past_clipping),
        Twin("gradients clipped by coordinates", "rule 15", train, one, damage=clipped_by_parts),
        Twin("sums divided by the batch that was drawn", "rule 12", train, one, damage=divided_by_the_batch),
        Twin("teachers share rows", "PATE-GAN original, turing", vote, one, rows=(), damage=teachers_are(_SharedRows)),
        Twin(
            "teachers' rows cut by position",
            "synthcity PATE-GAN",
            vote,
            [_KINDS[3]],
            rows=_SLICED,
            damage=teachers_are(_BySlices),
        ),
        Twin("every second charge skipped", "SmartNoise PR 624", fit, one, damage=every_second_charge_skipped),
        Twin("noise beside the gate", "rule 19", fit, one, damage=noise_beside_the_gate),
    )
