"""Replayed on a neighbor with all answers frozen, nothing of ours differs, and every planted mistake does."""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import HealthCheck, given, settings

from dpsynth.generators.registry import GENERATORS
from privacy_audits.replay.campaign import audited, tried_now
from privacy_audits.replay.known_bad import Twin, twins
from privacy_audits.replay.replay import fit_of, replayed
from privacy_audits.replay.scenes import PEOPLE, ROWS, Scene, known_scenes, scenes
from privacy_audits.replay.subjects import discovery_of, small, subjects, training_of, voting_of
from privacy_audits.tried_twin import slipped

HAS_TORCH = importlib.util.find_spec("torch") is not None
NEURAL = {entry.name for entry in GENERATORS if entry.extra} | {"training"}
NAMES = [*(entry.name for entry in GENERATORS), "training", "votes", "discovery"]


def needs_torch(name: str) -> None:
    if name in NEURAL and not HAS_TORCH:
        pytest.skip("needs the neural extra")


@pytest.mark.parametrize("name", NAMES)
def test_no_unit_that_has_broken_another_tool_makes_a_difference(name: str) -> None:
    needs_torch(name)
    made = {"training": training_of, "votes": voting_of, "discovery": discovery_of}
    run = made[name]() if name in made else fit_of(small(name))
    found = audited(run, [*known_scenes(ROWS), *known_scenes(PEOPLE)])
    assert found["differences"] == []
    assert found["queries"] >= found["replays"]
    # Declared sensitivities are reached: the audit compares something, and no budget is wasted.
    assert 0.99 < max(found["furthest"].values()) <= 1


def test_everything_of_the_registry_is_replayed() -> None:
    if HAS_TORCH:
        assert list(subjects()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_no_drawn_unit_makes_a_difference(name: str) -> None:
    needs_torch(name)
    made = {"training": training_of, "votes": voting_of, "discovery": discovery_of}
    run = made[name]() if name in made else fit_of(small(name))

    @settings(max_examples=3 if name in NEURAL else 6, deadline=None, suppress_health_check=list(HealthCheck))
    @given(scene=scenes())
    def replay(scene: Scene) -> None:
        ((_, found),) = replayed(run, [scene])
        assert found.differences == ()

    replay()


@pytest.mark.parametrize("twin", twins(), ids=lambda twin: twin.name)
def test_a_planted_mistake_is_caught(twin: Twin) -> None:
    if not HAS_TORCH and twin.name.startswith(("gradients", "not a number", "sums")):
        pytest.skip("needs the neural extra")
    assert slipped([tried_now(twin)]) == []


def test_the_scenes_of_the_twins_are_passed_by_what_is_honest() -> None:
    honest = {"fit": fit_of(small("independent")), "vote": voting_of()}
    for name, run in honest.items():
        for twin in twins():
            ((_, found),) = replayed(run, [twin.scene])
            assert found.differences == (), (name, twin.name)
