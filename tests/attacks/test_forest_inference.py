"""Forests that are grown on a release find planted secrets, and nothing where there is nothing."""

from __future__ import annotations

import numpy as np

from dpsynth.attacks import Records, run_suite
from dpsynth.attacks.forest_inference import ForestInference
from dpsynth.attacks.records import MISSING_LEVEL
from tests.attacks.four_rows import KINDS, NOTHING, A, B, rng
from tests.attacks.populations import crowded, crowded_rows, mixed, mixed_rows


def test_one_column_that_tells_the_secret_is_found_among_many() -> None:
    # The nearest row is decided by nine columns of noise; the forest reads the tenth.
    draws = np.random.default_rng(0)
    table = draws.integers(4, size=(600, 11)).astype(np.float64)
    table[:, 10] = (table[:, 9] + 1) % 4
    records = Records(table, np.zeros(11, dtype=bool))
    names = [f"{place}" for place in range(11)]
    released, targets = records.take(np.arange(300)), records.take(np.arange(300, 600))
    found = ForestInference().scores(targets, released, released, names=names, rng=rng())
    assert found["10"].mean() > 0.95
    assert found["0"].mean() < 0.4


def test_a_copy_gives_the_secrets_of_its_members_away() -> None:
    draws = np.random.default_rng(0)
    members, controls, reference = (mixed(mixed_rows(300, draws)) for _ in range(3))
    names = [f"column {place}" for place in range(members.width)]
    found = ForestInference().scores(members.followed_by(controls), members, reference, names=names, rng=rng())
    assert len(found) == members.width
    for own in found.values():
        assert own[:300].mean() > own[300:].mean() + 0.1


def test_ordered_secrets_are_guessed_to_the_tolerance_and_missing_is_a_level() -> None:
    synthetic = Records(np.array([[0.03, A], [0.97, B]] * 5 + [[MISSING_LEVEL, 2.0]] * 5), KINDS)
    targets = Records(np.array([[0.0, A], [0.2, A], [1.0, B], [MISSING_LEVEL, 2.0], [1.0, 2.0]]), KINDS)
    found = ForestInference().scores(targets, synthetic, NOTHING, names=("position", "level"), rng=rng())
    assert found["position"].tolist() == [1, 0, 1, 1, 0]


def test_fresh_draws_are_quiet() -> None:
    # Holm at 5 % in each of 5 draws: more than 2 alarms have probability 0.0012.
    alarms = 0
    for seed in range(5):
        draws = np.random.default_rng(seed)
        tables = [crowded(crowded_rows(400, draws)) for _ in range(4)]
        results = run_suite(*tables, rng=draws, attacks=("attribute-inference-forest",))
        alarms += any(result.adjusted_p_value <= 0.05 for result in results)
    assert alarms <= 2


def test_nothing_released_explains_nothing() -> None:
    reference = Records(np.array([[0.0, A], [1.0, B]]), KINDS)
    found = ForestInference().scores(reference, NOTHING, reference, names=("position", "level"), rng=rng())
    assert {name: own.tolist() for name, own in found.items()} == {"position": [0, 0], "level": [0, 0]}
