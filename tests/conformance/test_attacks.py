"""What every attack in the registry has to keep, and planted cheats that must be caught by the same laws."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from dpsynth.attacks import ATTACKS, Attack, AttackFamily, CountingAttack, Records, Trials
from dpsynth.attacks.base import MetaAttack
from dpsynth.attacks.nearest_neighbour import NearestNeighbour
from dpsynth.attacks.quasi_identifier_match import QuasiIdentifierMatch
from dpsynth.attacks.ranking import auc_evidence
from dpsynth.attacks.significance import fisher_one_sided
from dpsynth.attacks.weighted_match import WeightedMatch
from tests.conformance.attack_scenes import (
    KINDS,
    NAMES,
    ROWS,
    Scene,
    Scores,
    scene,
    with_codes_permuted,
    with_columns_permuted,
    with_columns_renamed,
    with_constant_columns,
)

Scoring = Attack | AttackFamily
AnyAttack = Attack | AttackFamily | CountingAttack
REWRITINGS: tuple[Callable[[Scene], Scene], ...] = (
    with_columns_permuted,
    with_columns_renamed,
    with_codes_permuted,
    with_constant_columns,
)
NOTHING = np.array([], dtype=np.intp)


def auc(scores: Scores) -> float:
    return auc_evidence(scores[:ROWS], scores[ROWS:], confidence=0.95).interval.estimate


def assert_same(left: dict[str, Scores], right: dict[str, Scores]) -> None:
    assert left.keys() == right.keys()
    for label in left:
        np.testing.assert_array_equal(left[label], right[label])


def odd_scenes() -> Iterable[Scene]:
    """Yield releases with nothing in them, with equal rows, with levels that nobody has; and a scene of nobody."""
    given = scene(leaking=True)
    nothing = given.targets.take(NOTHING)
    constant = Records(np.tile(given.targets.values[:1], (50, 1)), KINDS)
    odd = Records(np.where(np.arange(KINDS.size) % 2, given.targets.values[:50], 2.0), KINDS)
    single = given.reference.take(np.array([0]))
    for synthetic in (given.synthetic, nothing, constant, odd, single):
        for reference in (given.reference, nothing, constant, single):
            yield Scene(given.targets, synthetic, reference)
    yield Scene(nothing, given.synthetic, given.reference)
    yield Scene(constant, constant, constant)


# Laws of attacks that score targets.


def finds_a_planted_leak(attack: Scoring) -> None:
    found = scene(leaking=True).scores(attack)
    if isinstance(attack, Attack):
        assert auc(found[""]) > 0.9
        return
    # A family has variants that are blind to this leak; at least one must see it, whatever their number.
    p_values = [auc_evidence(s[:ROWS], s[ROWS:], confidence=0.95).p_value for s in found.values()]
    assert min(p_values) * len(p_values) < 1e-6


def is_quiet_under_exchangeability(attack: Scoring) -> None:
    # 8 fresh draws; an adjusted p-value below 5 % has probability 5 % at most: more than 3 have probability 3.7e-4.
    alarms = 0
    for seed in range(8):
        found = scene(leaking=False, seed=seed).scores(attack)
        p_values = [auc_evidence(s[:ROWS], s[ROWS:], confidence=0.95).p_value for s in found.values()]
        alarms += min(p_values) * len(p_values) < 0.05
    assert alarms <= 3


def follows_the_order_of_targets(attack: Scoring) -> None:
    given = scene(leaking=True)
    order = np.random.default_rng(1).permutation(len(given.targets))
    turned = replace(given, targets=given.targets.take(order))
    assert_same(turned.scores(attack), {label: scores[order] for label, scores in given.scores(attack).items()})


def scores_each_target_on_its_own(attack: Scoring) -> None:
    given = scene(leaking=True)
    part = np.arange(0, len(given.targets), 3)
    alone = replace(given, targets=given.targets.take(part))
    assert_same(alone.scores(attack), {label: scores[part] for label, scores in given.scores(attack).items()})


def ignores_the_order_of_the_tables(attack: Scoring) -> None:
    given = scene(leaking=True)
    rng = np.random.default_rng(2)
    synthetic, reference = (table.take(rng.permutation(len(table))) for table in (given.synthetic, given.reference))
    assert_same(Scene(given.targets, synthetic, reference).scores(attack), given.scores(attack))


def is_finite(attack: Scoring) -> None:
    for odd in odd_scenes():
        found = odd.scores(attack)
        assert found or isinstance(attack, AttackFamily)
        for scores in found.values():
            assert scores.shape == (len(odd.targets),)
            assert scores.dtype == np.float64
            assert np.isfinite(scores).all()


def is_deterministic_given_rng(attack: Scoring) -> None:
    given = scene(leaking=True)
    assert_same(given.scores(attack, seed=4), given.scores(attack, seed=4))


def leaves_its_inputs_alone(attack: Scoring) -> None:
    given = scene(leaking=True)
    before = [table.values.copy() for table in (given.targets, given.synthetic, given.reference)]
    given.scores(attack)
    for table, values in zip((given.targets, given.synthetic, given.reference), before, strict=True):
        np.testing.assert_array_equal(table.values, values)


def _in_any_order(found: dict[str, Scores]) -> list[bytes]:
    # Labels are made of names, so a renamed table has other labels; zeros of both signs are one zero.
    return sorted((scores + 0.0).tobytes() for scores in found.values())


def does_not_see_how_tables_are_written(attack: Scoring, rewriting: Callable[[Scene], Scene]) -> None:
    given = scene(leaking=True)
    assert _in_any_order(rewriting(given).scores(attack)) == _in_any_order(given.scores(attack))


Law = Callable[[Scoring], None]
LAWS: tuple[Law, ...] = (
    finds_a_planted_leak,
    is_quiet_under_exchangeability,
    follows_the_order_of_targets,
    scores_each_target_on_its_own,
    ignores_the_order_of_the_tables,
    is_finite,
    is_deterministic_given_rng,
    leaves_its_inputs_alone,
)


# Laws of attacks that count.


def _p_values(found: dict[str, Trials]) -> list[float]:
    return [
        fisher_one_sided(one.member_successes, one.member_trials, one.control_successes, one.control_trials)
        for one in found.values()
    ]


def counts_a_planted_leak(attack: CountingAttack) -> None:
    p_values = _p_values(scene(leaking=True).trials(attack))
    assert min(p_values) * len(p_values) < 1e-6


def counts_quietly_under_exchangeability(attack: CountingAttack) -> None:
    # As above: more than 3 alarms in 8 fresh draws have probability 3.7e-4.
    alarms = 0
    for seed in range(8):
        p_values = _p_values(scene(leaking=False, seed=seed).trials(attack))
        alarms += min(p_values) * len(p_values) < 0.05
    assert alarms <= 3


def swaps_counts_with_members_and_controls(attack: CountingAttack) -> None:
    given = scene(leaking=True)
    swapped = replace(given, targets=given.controls.followed_by(given.members))
    turned = {
        label: Trials(label, one.control_successes, one.control_trials, one.member_successes, one.member_trials)
        for label, one in swapped.trials(attack).items()
    }
    assert turned == given.trials(attack)


def counts_whatever_the_order_of_rows(attack: CountingAttack) -> None:
    given = scene(leaking=True)
    rng = np.random.default_rng(3)
    people = (table.take(rng.permutation(len(table))) for table in (given.members, given.controls))
    synthetic, reference = (table.take(rng.permutation(len(table))) for table in (given.synthetic, given.reference))
    members, controls = people
    assert Scene(members.followed_by(controls), synthetic, reference).trials(attack) == given.trials(attack)


def counts_odd_tables(attack: CountingAttack) -> None:
    for odd in odd_scenes():
        for one in odd.trials(attack).values():
            counts = (one.member_successes, one.member_trials, one.control_successes, one.control_trials)
            assert all(isinstance(count, int) for count in counts)


def counts_the_same_again(attack: CountingAttack) -> None:
    given = scene(leaking=True)
    before = [table.values.copy() for table in (given.targets, given.synthetic, given.reference)]
    assert given.trials(attack, seed=4) == given.trials(attack, seed=4)
    for table, values in zip((given.targets, given.synthetic, given.reference), before, strict=True):
        np.testing.assert_array_equal(table.values, values)


def _counts(found: dict[str, Trials]) -> list[Trials]:
    nameless = (replace(one, label="") for one in found.values())
    return sorted(nameless, key=repr)


def counts_however_tables_are_written(attack: CountingAttack, rewriting: Callable[[Scene], Scene]) -> None:
    given = scene(leaking=True)
    assert _counts(rewriting(given).trials(attack)) == _counts(given.trials(attack))


CountingLaw = Callable[[CountingAttack], None]
COUNTING_LAWS: tuple[CountingLaw, ...] = (
    counts_a_planted_leak,
    counts_quietly_under_exchangeability,
    swaps_counts_with_members_and_controls,
    counts_whatever_the_order_of_rows,
    counts_odd_tables,
    counts_the_same_again,
)


# Two honest attacks of the kinds that are rarer, so that each law is known to be one that can be kept.


class CopiesOnColumns:
    """For each column left out in turn: how many synthetic rows equal the target in all the others?"""

    def scores(
        self,
        targets: Records,
        synthetic: Records,
        reference: Records,
        *,
        names: Sequence[str],
        rng: np.random.Generator,
    ) -> dict[str, Scores]:
        both = synthetic.followed_by(reference).values
        found = {}
        for left_out, name in enumerate(names):
            if len(both) and np.ptp(both[:, left_out]) > 0:
                kept = np.delete(np.arange(targets.width), left_out)
                equal = (targets.values[:, None, kept] == synthetic.values[None][:, :, kept]).all(axis=2)
                found[f"without {name}"] = equal.any(axis=1).astype(np.float64)
        return found


class CopiedRows:
    """Tries every synthetic row: does it occur among the members, among the controls?"""

    def count(
        self,
        members: Records,
        controls: Records,
        synthetic: Records,
        reference: Records,
        *,
        names: Sequence[str],
        rng: np.random.Generator,
    ) -> tuple[Trials, ...]:
        def hits(people: Records) -> int:
            equal = (people.values[:, None] == synthetic.values[None]).all(axis=2)
            return int(equal.any(axis=0).sum())

        return (Trials("rows", hits(members), len(synthetic), hits(controls), len(synthetic)),)


class DeclaresKinds:
    """The match on quasi-identifiers, declared along with however a table is written: ordered columns, and others."""

    def scores(
        self,
        targets: Records,
        synthetic: Records,
        reference: Records,
        *,
        names: Sequence[str],
        rng: np.random.Generator,
    ) -> dict[str, Scores]:
        kinds = [[name for name, own in zip(names, targets.ordered, strict=True) if own == kind] for kind in (0, 1)]
        return QuasiIdentifierMatch().on(kinds).scores(targets, synthetic, reference, names=names, rng=rng)


class WeighsOnFewLevels:
    """The weighted match, on ordered columns of three levels each, so that rows have twins."""

    def scores(
        self,
        targets: Records,
        synthetic: Records,
        reference: Records,
        *,
        names: Sequence[str],
        rng: np.random.Generator,
    ) -> dict[str, Scores]:
        tables = (
            Records(np.where(table.ordered, np.round(2 * table.values) / 2, table.values), table.ordered)
            for table in (targets, synthetic, reference)
        )
        return WeightedMatch().scores(*tables, names=names, rng=rng)


SCORING: dict[str, Scoring] = {
    "copies on columns": CopiesOnColumns(),
    "matches on kinds": DeclaresKinds(),
    "weighted match on few levels": WeighsOnFewLevels(),
}
COUNTING: dict[str, CountingAttack] = {"copied rows": CopiedRows()}
for name, entry in ATTACKS.items():
    loaded = entry.load()
    if entry.needs_columns or name == "weighted-match":
        continue  # without declared columns, or twins, it finds nothing: two attacks above stand for them
    if isinstance(loaded, CountingAttack):
        COUNTING[name] = loaded
    elif not isinstance(
        loaded, MetaAttack
    ):  # it scores people by the scores of others: tests/attacks/test_meta_attack.py
        SCORING[name] = loaded


def _name(thing: object) -> str:
    return getattr(thing, "__name__", type(thing).__name__)


@pytest.mark.parametrize("law", LAWS, ids=_name)
@pytest.mark.parametrize("name", SCORING)
def test_a_scoring_attack_conforms(name: str, law: Law) -> None:
    law(SCORING[name])


@pytest.mark.parametrize("rewriting", REWRITINGS, ids=_name)
@pytest.mark.parametrize("name", SCORING)
def test_scores_do_not_depend_on_how_tables_are_written(name: str, rewriting: Callable[[Scene], Scene]) -> None:
    does_not_see_how_tables_are_written(SCORING[name], rewriting)


@pytest.mark.parametrize("law", COUNTING_LAWS, ids=_name)
@pytest.mark.parametrize("name", COUNTING)
def test_a_counting_attack_conforms(name: str, law: CountingLaw) -> None:
    law(COUNTING[name])


@pytest.mark.parametrize("rewriting", REWRITINGS, ids=_name)
@pytest.mark.parametrize("name", COUNTING)
def test_counts_do_not_depend_on_how_tables_are_written(name: str, rewriting: Callable[[Scene], Scene]) -> None:
    counts_however_tables_are_written(COUNTING[name], rewriting)


# Planted cheats: each looks like a fine attack and must be caught, by the law that is named.


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


class WritesIntoTheTable:
    """Sorts the synthetic rows where they stand."""

    def score(self, targets: Records, synthetic: Records, reference: Records, *, rng: np.random.Generator) -> Scores:
        scores = NearestNeighbour().score(targets, synthetic, reference, rng=rng)
        values = synthetic.values
        values.setflags(write=True)
        values.sort(axis=0)
        values.setflags(write=False)
        return scores


class WeighsByPosition:
    """Takes the first column for twice as important."""

    def score(self, targets: Records, synthetic: Records, reference: Records, *, rng: np.random.Generator) -> Scores:
        near = NearestNeighbour().score(targets, synthetic, reference, rng=rng)
        return near + 0.1 * targets.values[:, 0]


class ReadsCodesAsNumbers:
    """Takes unordered codes for quantities."""

    def score(self, targets: Records, synthetic: Records, reference: Records, *, rng: np.random.Generator) -> Scores:
        return NearestNeighbour().score(targets, synthetic, reference, rng=rng) + targets.values[:, ~KINDS].sum(axis=1)


class CountsColumns:
    """Divides by the number of columns, also of those that say nothing."""

    def score(self, targets: Records, synthetic: Records, reference: Records, *, rng: np.random.Generator) -> Scores:
        return NearestNeighbour().score(targets, synthetic, reference, rng=rng) / targets.width


class SortsByName:
    """Attacks the column whose name comes first."""

    def scores(
        self,
        targets: Records,
        synthetic: Records,
        reference: Records,
        *,
        names: Sequence[str],
        rng: np.random.Generator,
    ) -> dict[str, Scores]:
        return {"first": targets.values[:, int(np.argsort(names)[0])].copy()}


class CountsMembersTwice:
    """Makes twice as many attempts against members."""

    def count(
        self,
        members: Records,
        controls: Records,
        synthetic: Records,
        reference: Records,
        *,
        names: Sequence[str],
        rng: np.random.Generator,
    ) -> tuple[Trials, ...]:
        (one,) = CopiedRows().count(members, controls, synthetic, reference, names=names, rng=rng)
        return (replace(one, member_successes=2 * one.member_successes, member_trials=2 * one.member_trials),)


class CountsNothing:
    """Makes many attempts that cannot succeed."""

    def count(
        self,
        members: Records,
        controls: Records,
        synthetic: Records,
        reference: Records,
        *,
        names: Sequence[str],
        rng: np.random.Generator,
    ) -> tuple[Trials, ...]:
        return (Trials("nothing", 0, 1000, 0, 1000),)


class CountsTheSameLuckAgain:
    """Counts one lucky comparison fifty times, once for each of its attempts."""

    def count(
        self,
        members: Records,
        controls: Records,
        synthetic: Records,
        reference: Records,
        *,
        names: Sequence[str],
        rng: np.random.Generator,
    ) -> tuple[Trials, ...]:
        totals = [people.values.sum() for people in (members, controls)]
        return (Trials("again", 50 * int(totals[0] > totals[1]), 50, 50 * int(totals[1] > totals[0]), 50),)


class CountsFirstRows:
    """Looks at the first half of the people only."""

    def count(
        self,
        members: Records,
        controls: Records,
        synthetic: Records,
        reference: Records,
        *,
        names: Sequence[str],
        rng: np.random.Generator,
    ) -> tuple[Trials, ...]:
        first = np.arange(ROWS // 2)
        part = synthetic.take(np.arange(min(len(synthetic), ROWS // 3)))
        return CopiedRows().count(members.take(first), controls.take(first), part, reference, names=names, rng=rng)


CHEATS: list[tuple[Scoring, Law]] = [
    (ReadsThePosition(), follows_the_order_of_targets),
    (ReadsThePosition(), is_quiet_under_exchangeability),
    (FindsNothing(), finds_a_planted_leak),
    (RollsItsOwnDice(), is_deterministic_given_rng),
    (RanksTheTargets(), scores_each_target_on_its_own),
    (DividesByZero(), is_finite),
    (LooksAtTheFirstRows(), ignores_the_order_of_the_tables),
    (WritesIntoTheTable(), leaves_its_inputs_alone),
    (SortsByName(), finds_a_planted_leak),
]

REWRITING_CHEATS: list[tuple[Scoring, Callable[[Scene], Scene]]] = [
    (WeighsByPosition(), with_columns_permuted),
    (SortsByName(), with_columns_renamed),
    (ReadsCodesAsNumbers(), with_codes_permuted),
    (CountsColumns(), with_constant_columns),
]

COUNTING_CHEATS: list[tuple[CountingAttack, CountingLaw]] = [
    (CountsMembersTwice(), swaps_counts_with_members_and_controls),
    (CountsTheSameLuckAgain(), counts_quietly_under_exchangeability),
    (CountsNothing(), counts_a_planted_leak),
    (CountsFirstRows(), counts_whatever_the_order_of_rows),
]


@pytest.mark.parametrize(("cheat", "law"), CHEATS, ids=_name)
def test_a_planted_cheat_is_caught(cheat: Scoring, law: Law) -> None:
    with pytest.raises(AssertionError):
        law(cheat)


@pytest.mark.parametrize(("cheat", "rewriting"), REWRITING_CHEATS, ids=_name)
def test_a_cheat_that_reads_the_writing_is_caught(cheat: Scoring, rewriting: Callable[[Scene], Scene]) -> None:
    with pytest.raises(AssertionError):
        does_not_see_how_tables_are_written(cheat, rewriting)


@pytest.mark.parametrize(("cheat", "law"), COUNTING_CHEATS, ids=_name)
def test_a_cheat_that_counts_is_caught(cheat: CountingAttack, law: CountingLaw) -> None:
    with pytest.raises(AssertionError):
        law(cheat)


def test_the_scene_has_a_name_for_each_column() -> None:
    assert len(NAMES) == len(set(NAMES)) == KINDS.size
