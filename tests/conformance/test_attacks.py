"""What every attack in the registry has to keep, and planted cheats that must be caught by the same checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

from dpsynth.attacks import ATTACKS, Attack, Records
from dpsynth.attacks.nearest_neighbour import NearestNeighbour
from dpsynth.attacks.ranking import auc_evidence

ROWS = 200
KINDS = np.array([True] * 7 + [False] * 4)
LEVELS = 40
Scores = NDArray[np.float64]


def population(rows: int, rng: np.random.Generator) -> Records:
    """Return rows of one population: seven ordered columns of 40 levels and four unordered ones, all correlated."""
    trait = rng.normal(size=(rows, 1))
    ordered = np.floor(special.ndtr((trait + rng.normal(size=(rows, 7))) / np.sqrt(2)) * LEVELS) / (LEVELS - 1)
    unordered = np.floor(special.ndtr((trait + rng.normal(size=(rows, 4))) / np.sqrt(2)) * 5)
    return Records(np.concatenate([ordered, unordered], axis=1), KINDS)


@dataclass(frozen=True, slots=True)
class Scene:
    """One release and the people whose membership is in question: first the members, then the controls."""

    targets: Records
    synthetic: Records
    reference: Records

    def scores(self, attack: Attack, *, seed: int = 0) -> Scores:
        return attack.score(self.targets, self.synthetic, self.reference, rng=np.random.default_rng(seed))


def scene(*, leaking: bool, seed: int = 0) -> Scene:
    rng = np.random.default_rng(seed)
    members, controls, reference, fresh = (population(ROWS, rng) for _ in range(4))
    return Scene(members.followed_by(controls), members if leaking else fresh, reference)


def auc(scores: Scores) -> float:
    return auc_evidence(scores[:ROWS], scores[ROWS:], confidence=0.95).interval.estimate


def finds_a_planted_leak(attack: Attack) -> None:
    assert auc(scene(leaking=True).scores(attack)) > 0.9


def is_quiet_under_exchangeability(attack: Attack) -> None:
    # 8 fresh draws; a p-value below 5 % has probability 5 % each: more than 3 have probability 3.7e-4.
    alarms = 0
    for seed in range(8):
        scores = scene(leaking=False, seed=seed).scores(attack)
        alarms += auc_evidence(scores[:ROWS], scores[ROWS:], confidence=0.95).p_value < 0.05
    assert alarms <= 3


def follows_the_order_of_targets(attack: Attack) -> None:
    given = scene(leaking=True)
    order = np.random.default_rng(1).permutation(len(given.targets))
    turned = Scene(given.targets.take(order), given.synthetic, given.reference)
    np.testing.assert_array_equal(turned.scores(attack), given.scores(attack)[order])


def scores_each_target_on_its_own(attack: Attack) -> None:
    given = scene(leaking=True)
    part = np.arange(0, len(given.targets), 3)
    alone = Scene(given.targets.take(part), given.synthetic, given.reference)
    np.testing.assert_array_equal(alone.scores(attack), given.scores(attack)[part])


def ignores_the_order_of_the_tables(attack: Attack) -> None:
    given = scene(leaking=True)
    rng = np.random.default_rng(2)
    tables = (table.take(rng.permutation(len(table))) for table in (given.synthetic, given.reference))
    np.testing.assert_array_equal(Scene(given.targets, *tables).scores(attack), given.scores(attack))


def is_finite(attack: Attack) -> None:
    given = scene(leaking=True)
    nothing = given.targets.take(np.array([], dtype=np.intp))
    constant = Records(np.tile(given.targets.values[:1], (50, 1)), KINDS)
    odd = Records(np.where(np.arange(KINDS.size) % 2, given.targets.values[:50], 2.0), KINDS)
    for synthetic in (given.synthetic, nothing, constant, odd):
        for reference in (given.reference, nothing, constant):
            scores = Scene(given.targets, synthetic, reference).scores(attack)
            assert scores.shape == (len(given.targets),)
            assert scores.dtype == np.float64
            assert np.isfinite(scores).all()
    assert Scene(nothing, given.synthetic, given.reference).scores(attack).shape == (0,)


def is_deterministic_given_rng(attack: Attack) -> None:
    given = scene(leaking=True)
    np.testing.assert_array_equal(given.scores(attack, seed=4), given.scores(attack, seed=4))


def leaves_its_inputs_alone(attack: Attack) -> None:
    given = scene(leaking=True)
    before = [table.values.copy() for table in (given.targets, given.synthetic, given.reference)]
    given.scores(attack)
    for table, values in zip((given.targets, given.synthetic, given.reference), before, strict=True):
        np.testing.assert_array_equal(table.values, values)


Check = Callable[[Attack], None]
CHECKS: tuple[Check, ...] = (
    finds_a_planted_leak,
    is_quiet_under_exchangeability,
    follows_the_order_of_targets,
    scores_each_target_on_its_own,
    ignores_the_order_of_the_tables,
    is_finite,
    is_deterministic_given_rng,
    leaves_its_inputs_alone,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", ATTACKS)
def test_attack_conforms(name: str, check: Check) -> None:
    check(ATTACKS[name].load())


# Planted cheats: each looks like a fine attack and must be caught, by the check that is named.


class ReadsThePosition:
    """Takes the first half of the targets for members."""

    def score(self, targets: Records, synthetic: Records, reference: Records, *, rng: np.random.Generator) -> Scores:
        return -np.arange(len(targets), dtype=np.float64)


class FindsNothing:
    """Never accuses anybody."""

    def score(self, targets: Records, synthetic: Records, reference: Records, *, rng: np.random.Generator) -> Scores:
        return np.zeros(len(targets))


@dataclass
class RollsItsOwnDice:
    """Breaks ties with randomness of its own."""

    dice: np.random.Generator = field(default_factory=np.random.default_rng)

    def score(self, targets: Records, synthetic: Records, reference: Records, *, rng: np.random.Generator) -> Scores:
        return NearestNeighbour().score(targets, synthetic, reference, rng=rng) + 1e-9 * self.dice.random(len(targets))


class RanksTheTargets:
    """Compares the targets with one another: nobody can be scored alone."""

    def score(self, targets: Records, synthetic: Records, reference: Records, *, rng: np.random.Generator) -> Scores:
        scores = NearestNeighbour().score(targets, synthetic, reference, rng=rng)
        return np.searchsorted(np.sort(scores), scores).astype(np.float64)


class DividesByZero:
    """Takes the logarithm of a distance that is zero for every copy."""

    def score(self, targets: Records, synthetic: Records, reference: Records, *, rng: np.random.Generator) -> Scores:
        scores = NearestNeighbour().score(targets, synthetic, reference, rng=rng)
        return np.where(scores > 0, np.inf, scores)


class LooksAtTheFirstRows:
    """Searches a part of the synthetic table only, the first rows."""

    def score(self, targets: Records, synthetic: Records, reference: Records, *, rng: np.random.Generator) -> Scores:
        part = synthetic.take(np.arange(len(synthetic) - len(synthetic) // 20))
        return NearestNeighbour().score(targets, part, reference, rng=rng)


CHEATS: list[tuple[Attack, Check]] = [
    (ReadsThePosition(), follows_the_order_of_targets),
    (ReadsThePosition(), is_quiet_under_exchangeability),
    (FindsNothing(), finds_a_planted_leak),
    (RollsItsOwnDice(), is_deterministic_given_rng),
    (RanksTheTargets(), scores_each_target_on_its_own),
    (DividesByZero(), is_finite),
    (LooksAtTheFirstRows(), ignores_the_order_of_the_tables),
]


@pytest.mark.parametrize(("cheat", "check"), CHEATS, ids=lambda thing: getattr(thing, "__name__", type(thing).__name__))
def test_a_planted_cheat_is_caught(cheat: Attack, check: Check) -> None:
    with pytest.raises(AssertionError):
        check(cheat)
