"""What a release has to be shown safe from before it passes: all people, isolated ones, and declared secrets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from dpsynth.attacks import AttackResult, Reading, Statistic, Tolerances, run_suite
from dpsynth.attacks.base import Trials
from dpsynth.attacks.evidence import trial_evidence
from dpsynth.attacks.suite import attack_release
from dpsynth.errors import InvalidInput
from tests.attacks.populations import MIXED, Codes, mixed, mixed_split

SPLIT = mixed_split(400, np.random.default_rng(20))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_nothing_passes_whose_isolated_people_are_too_few_to_show_anything() -> None:
    # 60 people a side, of whom six are isolated: no statistic can say anything about six, and each is still owed.
    split = mixed_split(60, rng(5))
    tables = (mixed(codes) for codes in (split.members, split.controls, split.fresh, split.reference))
    lenient = Tolerances(tpr=0.9, auc=0.9, exact_match_excess=0.45, near_match_excess=0.45)
    found = attack_release(*tables, rng=rng(), attacks=("nearest-neighbour",), tolerances=lenient)
    owed = [one for one in found.results if one.stratum == "most isolated 10 %"]
    assert {one.statistic for one in owed} == {Statistic.AUC, Statistic.TPR_AT_FPR}
    assert all(one.decisive for one in owed)
    assert found.reading is not Reading.PASS


@pytest.mark.parametrize("rows", [100, 1_000, 1_496])
def test_no_release_of_so_few_people_can_exclude_copies(rows: int) -> None:
    # Not even one without a single match, whatever secrets are declared: 1,497 members and controls are needed.
    nobody = Trials("", 0, rows, 0, rows)
    found = trial_evidence(Statistic.EXACT_MATCH_EXCESS, nobody, confidence=0.95)
    assert found.interval.upper > Tolerances().exact_match_excess


def test_declared_secrets_are_what_a_pass_is_about_and_others_still_fail_a_release() -> None:
    names = [f"column {place + 1}" for place in range(len(MIXED.columns))]

    def guessed(release: Codes, secrets: Sequence[str]) -> tuple[AttackResult, ...]:
        tables = (mixed(codes) for codes in (SPLIT.members, SPLIT.controls, release, SPLIT.reference))
        return run_suite(*tables, rng=rng(), attacks=("attribute-inference",), names=names, secrets=secrets)

    everything, declared = guessed(SPLIT.fresh, ()), guessed(SPLIT.fresh, ("column 8",))
    isolated = {"most isolated 1 %"}
    assert {one.variant for one in everything if one.decisive} == set(names)
    assert {one.variant for one in declared if one.decisive} == {"column 8"}
    assert {one.stratum for one in declared if one.decisive}.isdisjoint(isolated)
    # The same numbers; only what has to be shown differs.
    assert [one.p_value for one in everything] == [one.p_value for one in declared]
    leak = guessed(SPLIT.members, ("column 8",))
    assert {one.variant for one in leak if one.reading is Reading.FAIL} > {"column 8"}
    with pytest.raises(InvalidInput, match="column 99"):
        guessed(SPLIT.fresh, ("column 99",))
