"""One population and one release for the laws of attacks, and ways of writing the same tables differently."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dpsynth.attacks import Attack, AttackFamily, CountingAttack, Records, Trials

ROWS = 200
ORDERED = 7
KINDS = np.array([True] * ORDERED + [False] * 4)
LEVELS = 40
CATEGORIES = 5
NAMES = (
    "age",
    "income",
    "height",
    "weight",
    "visits",
    "distance",
    "score",
    "region",
    "petal length (cm)",
    "sex",
    "ja/nein",
)
Scores = NDArray[np.float64]


def population(rows: int, rng: np.random.Generator) -> Records:
    """Return rows of one population: seven ordered columns of 40 levels and four unordered ones, all correlated."""
    trait = rng.normal(size=(rows, 1))
    ordered = np.floor(special.ndtr((trait + rng.normal(size=(rows, 7))) / np.sqrt(2)) * LEVELS) / (LEVELS - 1)
    unordered = np.floor(special.ndtr((trait + rng.normal(size=(rows, 4))) / np.sqrt(2)) * CATEGORIES)
    return Records(np.concatenate([ordered, unordered], axis=1), KINDS)


@dataclass(frozen=True, slots=True)
class Scene:
    """One release and the people who are attacked: in `targets`, first the members, then the controls."""

    targets: Records
    synthetic: Records
    reference: Records
    names: tuple[str, ...] = NAMES

    @property
    def members(self) -> Records:
        return self.targets.take(np.arange(len(self.targets) // 2))

    @property
    def controls(self) -> Records:
        return self.targets.take(np.arange(len(self.targets) // 2, len(self.targets)))

    def scores(self, attack: Attack | AttackFamily, *, seed: int = 0) -> dict[str, Scores]:
        """Return the scores of all variants; an attack without variants has one, without a label."""
        rng = np.random.default_rng(seed)
        tables = (self.targets, self.synthetic, self.reference)
        if isinstance(attack, AttackFamily):
            return attack.scores(*tables, names=self.names, rng=rng)
        return {"": attack.score(*tables, rng=rng)}

    def trials(self, attack: CountingAttack, *, seed: int = 0) -> dict[str, Trials]:
        found = attack.count(
            self.members,
            self.controls,
            self.synthetic,
            self.reference,
            names=self.names,
            rng=np.random.default_rng(seed),
        )
        assert len({trials.label for trials in found}) == len(found)
        return {trials.label: trials for trials in found}

    def written(self, change: Callable[[Records], Records], names: tuple[str, ...] | None = None) -> Scene:
        """Return the scene with the same change made to every table."""
        tables = (change(table) for table in (self.targets, self.synthetic, self.reference))
        return Scene(*tables, names=self.names if names is None else names)


def scene(*, leaking: bool, seed: int = 0) -> Scene:
    rng = np.random.default_rng(seed)
    members, controls, reference, fresh = (population(ROWS, rng) for _ in range(4))
    return Scene(members.followed_by(controls), members if leaking else fresh, reference)


def with_columns_permuted(given: Scene) -> Scene:
    order = np.roll(np.arange(KINDS.size), 4)  # no column stays
    names = tuple(given.names[place] for place in order)
    return given.written(lambda table: Records(table.values[:, order], table.ordered[order]), names)


def with_columns_renamed(given: Scene) -> Scene:
    return replace(given, names=tuple(f"{chr(ord('z') - place)}{place}" for place in range(len(given.names))))


def with_codes_permuted(given: Scene) -> Scene:
    rng = np.random.default_rng(32)
    codes = {place: rng.permutation(CATEGORIES + 2) for place in np.flatnonzero(~KINDS)}

    def change(table: Records) -> Records:
        values = table.values.copy()
        for place, recoded in codes.items():
            values[:, place] = recoded[values[:, place].astype(np.intp)]
        return Records(values, table.ordered)

    return given.written(change)


def with_constant_columns(given: Scene) -> Scene:
    def change(table: Records) -> Records:
        rows = len(table)
        values = [np.full(rows, 3.0), table.values, np.full(rows, 0.25)]
        return Records(np.column_stack(values), np.concatenate([[False], table.ordered, [True]]))

    return given.written(change, ("constant code", *given.names, "constant number"))
