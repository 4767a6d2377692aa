"""Attacks by somebody who knows people by declared columns: more variants, and the others as they were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dpsynth.attacks.attribute_inference import NeighbourInference
from dpsynth.attacks.base import AttackFamily, OnDeclaredColumns
from dpsynth.attacks.linkability import Linkability
from dpsynth.attacks.ranking import auc_evidence
from dpsynth.attacks.registry import ATTACKS
from dpsynth.attacks.significance import fisher_one_sided
from dpsynth.attacks.singling_out import SinglingOut
from tests.conformance.attack_scenes import NAMES, ROWS, scene, with_codes_permuted, with_columns_permuted

KNOWN = ("age", "income", "region", "sex")
LEAKING = scene(leaking=True)


def p_value(scores: np.ndarray) -> float:
    return auc_evidence(scores[:ROWS], scores[ROWS:], confidence=0.95).p_value


@pytest.mark.parametrize("attack", [Linkability(), NeighbourInference()], ids=lambda attack: type(attack).__name__)
def test_declared_columns_add_variants_that_find_a_leak(attack: Linkability | NeighbourInference) -> None:
    plain, declared = LEAKING.scores(attack), LEAKING.scores(attack.on([KNOWN, KNOWN[::-1]]))
    if isinstance(attack, NeighbourInference):  # its other variants draw nothing
        for label, scores in plain.items():
            np.testing.assert_array_equal(declared[label], scores)
        added = {f"{name} from {', '.join(sorted(KNOWN))}" for name in set(NAMES) - set(KNOWN)}
    else:
        added = {f"{', '.join(sorted(KNOWN))} with the others"}
    assert declared.keys() >= added
    assert len(declared) <= len(plain) + len(added)
    assert max(p_value(declared[label]) for label in added) < 1e-6


@pytest.mark.parametrize("attack", [Linkability(), NeighbourInference()], ids=lambda attack: type(attack).__name__)
@pytest.mark.parametrize("rewriting", [with_columns_permuted, with_codes_permuted])
def test_how_tables_are_written_has_no_effect(attack: AttackFamily, rewriting: object) -> None:
    assert isinstance(attack, OnDeclaredColumns)
    declared = attack.on([KNOWN])
    assert isinstance(declared, AttackFamily)
    before, after = LEAKING.scores(declared), rewriting(LEAKING).scores(declared)  # type: ignore[operator]
    for label in (label for label in before if "from" in label or label.startswith(", ".join(sorted(KNOWN)))):
        np.testing.assert_array_equal(after[label], before[label])


def test_people_are_singled_out_by_declared_columns() -> None:
    attack = SinglingOut(predicates=400)
    plain, declared = LEAKING.trials(attack), LEAKING.trials(attack.on([KNOWN, []]))
    assert declared.keys() - plain.keys() == {", ".join(sorted(KNOWN))}
    for label, trials in plain.items():
        assert declared[label] == trials
    found = declared[", ".join(sorted(KNOWN))]
    counts = found.member_successes, found.member_trials, found.control_successes, found.control_trials
    assert fisher_one_sided(*counts) < 1e-3


def test_columns_that_cover_everything_or_say_nothing_leave_nothing_to_guess() -> None:
    for group in (NAMES, ("not a column",)):
        assert LEAKING.scores(NeighbourInference().on([group])).keys() == LEAKING.scores(NeighbourInference()).keys()
    constant = replace(LEAKING, names=("constant", *NAMES[1:]))
    assert "constant" not in " ".join(constant.scores(NeighbourInference().on([["sex"]]))).split(" from ")[-1]


def test_the_suite_gives_them_to_every_attack_that_takes_them() -> None:
    taking = {name for name, entry in ATTACKS.items() if isinstance(entry.load(), OnDeclaredColumns)}
    assert taking == {"quasi-identifier-match", "linkability", "attribute-inference", "singling-out"}
