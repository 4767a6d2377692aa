"""Student and generator of PATE-GAN see noisy labels of generated samples, and nothing else; cheats are caught.

The other half of what public PATE-GANs get wrong, teachers and charges, is planted in `tests/curator/test_votes.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.curator import Curator
from dpsynth.curator._sealed import unseal
from dpsynth.curator.vote_queries import NoisyVotes, Teaching, VoteSession
from dpsynth.curator.votes import Teachers
from dpsynth.errors import InvalidInput
from dpsynth.generators import pategan
from dpsynth.generators.answer_tape import AnswerTape, TapedQueries
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.generators.pategan import PateGan
from dpsynth.ledger import Ledger
from dpsynth.randomness import SeededNoise
from dpsynth.schema.schema import Schema
from tests.conformance.tape import Player, Recorder, ReplayMismatch

SCHEMA = Schema.from_text("""
name: clinic
fields:
  - {name: smoker, type: boolean}
  - {name: stage, type: string, categories: [none, early, late]}
  - name: age
    type: integer
    constraints: {minimum: 0, maximum: 99}
    dpsynth: {bins: 5}
dpsynth: {unit: {kind: row}, public_rows: 2000}
""")
BUDGET = PrivacyBudget(3, "1e-6")
SMALL: dict[str, Any] = {"samples": 60, "components": 16, "iterations": 40}


def table(count: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    smoker = rng.random(count) < 0.4
    stage = np.where(smoker, rng.choice(["early", "late"], count), "none")
    return pd.DataFrame({"smoker": smoker, "stage": stage, "age": rng.integers(0, 100, count)})


def curator(count: int = 600, budget: PrivacyBudget = BUDGET, *, seed: int | None = 1) -> Curator:
    books = Ledger("sqlite://")
    books.set_budget("clinic", budget, unit="one row")
    return Curator.open(table(count), SCHEMA, ledger=books, noise=None if seed is None else SeededNoise(seed))


def alone(**changed: Any) -> PateGan:
    return PateGan(**(SMALL | {"pair_share": 0.0} | changed))


# ------------------------------------------------------------------------------------------- labels are all it is told


def test_without_pairs_it_learns_what_goes_together_from_labels_alone() -> None:
    gaps = []
    for made in (alone(samples=400, iterations=200), alone(rounds=1, samples=1)):
        budget = PrivacyBudget(10, "1e-6")
        fitted = made.fit(curator(4000, budget), budget, rng=np.random.default_rng(0))
        assert {len(answer.clique) for answer in fitted.measurements} == {1}
        codes = fitted.sample(4000, rng=np.random.default_rng(1)).codes
        smokes = codes[:, 0] == SCHEMA.column("smoker").encode([True])[0]
        none = codes[:, 1] == SCHEMA.column("stage").encode(["none"])[0]
        gaps.append(float(none[~smokes].mean() - none[smokes].mean()))
    assert gaps[0] > 0.5
    assert abs(gaps[1]) < 0.2


def test_everything_is_in_one_reservation_and_every_label_is_in_the_books() -> None:
    opened = curator(2000)
    alone(rounds=3).fit(opened, BUDGET, rng=np.random.default_rng(0))
    votes = [purpose for purpose, _ in opened.charged if "label" in purpose]
    assert len(votes) == 3
    assert all(purpose.endswith("label 20 samples") for purpose in votes)
    spent = opened._ledger.spent("clinic").mu_squared
    assert spent is not None
    assert Fraction(98, 100) * mu_squared_from_budget(BUDGET) <= spent <= mu_squared_from_budget(BUDGET)


def test_equal_seeds_do_not_make_equal_models() -> None:
    found = []
    for _ in range(2):
        np.random.seed(0)  # noqa: NPY002 - a global seed must not matter
        fitted = alone().fit(curator(seed=None), BUDGET, rng=np.random.default_rng(3))
        found.append(fitted.sample(300, rng=np.random.default_rng(4)).codes)
    assert not np.array_equal(*found)


def test_labels_that_teach_nothing_leave_the_generator_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the teachers for every sample: the student finds no strength, by a rule that looks at labels only."""

    class Undecided(Teachers):
        def votes(self, *given: Any) -> Any:
            return np.arange(self.count) % 2 == np.zeros((len(given[1]), 1))

    strengths = []
    learn = pategan.taught
    monkeypatch.setattr("dpsynth.curator.votes.Teachers", Undecided)
    monkeypatch.setattr(pategan, "taught", lambda *given: strengths.append(learn(*given).strength) or learn(*given))
    fitted = alone().fit(curator(2000), BUDGET, rng=np.random.default_rng(0))
    assert max(strengths) <= 0.02
    pair = fitted.model.marginal(("smoker", "stage")) / fitted.model.total
    assert np.abs(pair - np.outer(pair.sum(axis=1), pair.sum(axis=0))).sum() < 0.1


@pytest.mark.parametrize("pair_share", [0.0, 0.6])
def test_one_column_needs_no_votes(pair_share: float) -> None:
    schema = Schema.from_text("""
name: clinic
fields: [{name: smoker, type: boolean}]
dpsynth: {unit: {kind: row}, public_rows: 2000}
""")
    books = Ledger("sqlite://")
    books.set_budget("clinic", BUDGET, unit="one row")
    opened = Curator.open(table(200)[["smoker"]], schema, ledger=books)
    fitted = alone(pair_share=pair_share).fit(opened, BUDGET, rng=np.random.default_rng(0))
    assert len(fitted.sample(10, rng=np.random.default_rng(0)).codes) == 10


@pytest.mark.parametrize(
    "wrong",
    [
        {"components": 0},
        {"rounds": 0},
        {"samples": 1, "rounds": 2},
        {"samples": 10_001},
        {"column_share": 0},
        {"column_share": 0.5, "pair_share": 0.5},
        {"pair_share": -0.1},
        {"teacher_rows": 0.5},
        {"information_price": -1},
    ],
)
def test_parameters_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        PateGan(**wrong)


# -------------------------------------------------------------------------------------------------------------- replay


def check_replay(make: Callable[[], PateGan]) -> None:
    recorder = Recorder(curator())
    with_data = make().fit(recorder, BUDGET, rng=np.random.default_rng(5))  # type: ignore[arg-type]
    player = Player(recorder.tape)
    without = make().fit(player, BUDGET, rng=np.random.default_rng(5))  # type: ignore[arg-type]
    if not player.finished:
        raise ReplayMismatch("fewer questions were asked without the data")
    samples = [fitted.sample(200, rng=np.random.default_rng(6)).codes for fitted in (with_data, without)]
    if not np.array_equal(*samples):
        raise ReplayMismatch("the samples differ although all answers were the same")
    for one, other in zip(*(fitted.model.potentials.items() for fitted in (with_data, without)), strict=True):
        np.testing.assert_array_equal(one[1].values, other[1].values)


@pytest.mark.parametrize("make", [alone, lambda: PateGan(**SMALL)], ids=["alone", "warm"])
def test_replay_from_recorded_answers_gives_the_same_model(make: Callable[[], PateGan]) -> None:
    check_replay(make)


def test_votes_are_kept_in_a_checkpoint_and_played_from_it(tmp_path: Path) -> None:
    opened = curator()
    found = []
    for _ in range(2):  # a second fit has no budget left, and needs none
        taped: Any = TapedQueries(opened, AnswerTape(tmp_path, "release"))
        fitted = alone().fit(taped, BUDGET, rng=np.random.default_rng(5))
        found.append(fitted.sample(200, rng=np.random.default_rng(6)).codes)
    np.testing.assert_array_equal(*found)
    taped = TapedQueries(opened, AnswerTape(tmp_path, "release"))
    with pytest.raises(InvalidInput, match="something else"):
        alone(teacher_rows=20).fit(taped, BUDGET, rng=np.random.default_rng(5))


class Cheat(PateGan):
    """Looks at rows wherever there are some."""

    __slots__ = ()

    def fit(self, curator: Any, budget: PrivacyBudget, *, rng: np.random.Generator) -> FittedGraphicalModel:
        if not isinstance(curator, Recorder):
            return super().fit(curator, budget, rng=rng)
        with pytest.MonkeyPatch.context() as patch:
            self.reach(curator, patch)
            return super().fit(curator, budget, rng=rng)

    def reach(self, curator: Any, patch: pytest.MonkeyPatch) -> None:
        raise NotImplementedError


def codes_of(curator: Any) -> np.ndarray[Any, Any]:
    return np.stack(unseal(curator.sealed_rows()).training, axis=1).astype(np.int64)


class RawVotes(Cheat):
    """The student is trained on the votes of teachers as they were cast."""

    def reach(self, curator: Any, patch: pytest.MonkeyPatch) -> None:
        read = pategan._Training._read

        def without_noise(training: Any, votes: NoisyVotes, samples: Any, generated: Any) -> Any:
            cast = Teachers(unseal(curator.sealed_rows()), votes.teachers, b"").votes(
                training._teaching, samples, generated
            )
            exact = NoisyVotes(cast.sum(axis=1), votes.teachers, votes.stddev, votes.event)
            return read(training, exact, samples, generated)

        patch.setattr(pategan._Training, "_read", without_noise)


class StudentIsATeacher(Cheat):
    """The student is the object that all teachers are, and knows the rows of every part (smartnoise)."""

    def reach(self, curator: Any, patch: pytest.MonkeyPatch) -> None:
        read = pategan._Training._read

        def as_the_teacher(training: Any, votes: NoisyVotes, samples: Any, generated: Any) -> Any:
            alone = Teaching(1, training._teaching.groups, training._teaching.likeness)
            cast = Teachers(unseal(curator.sealed_rows()), 1, b"").votes(alone, samples, generated)
            known = NoisyVotes(votes.teachers * cast[:, 0].astype(np.int64), votes.teachers, votes.stddev, votes.event)
            return read(training, known, samples, generated)

        patch.setattr(pategan._Training, "_read", as_the_teacher)


class RealRowsForTheStudent(Cheat):
    """Real rows go to the student, with the label real (synthcity)."""

    def reach(self, curator: Any, patch: pytest.MonkeyPatch) -> None:
        read = pategan._Training._read

        def with_rows(training: Any, votes: NoisyVotes, samples: Any, generated: Any) -> Any:
            real = codes_of(curator)[: len(samples)]
            return read(training, votes, np.concatenate([real[:30], samples[30:]]), generated)

        patch.setattr(pategan._Training, "_read", with_rows)


class RealRowsForTheTeachers(Cheat):
    """Real rows are sent as samples to be labelled."""

    def reach(self, curator: Any, patch: pytest.MonkeyPatch) -> None:
        learn = pategan._Training.learn_from

        def with_rows(training: Any, session: VoteSession, mu_squared: Fraction) -> None:
            class Swapped:
                def votes(self, teaching: Any, samples: Any, generated: Any, mu_squared: Fraction) -> NoisyVotes:
                    return session.votes(teaching, codes_of(curator)[: len(samples)], generated, mu_squared)

            learn(training, Swapped(), mu_squared)  # type: ignore[arg-type]

        patch.setattr(pategan._Training, "learn_from", with_rows)


class ThroughATeacher(Cheat):
    """The generator follows what a teacher thinks of real rows, past the student."""

    def reach(self, curator: Any, patch: pytest.MonkeyPatch) -> None:
        learn = pategan.taught

        def teacher(labels: Any, domain: Any, columns: Any, expected: Any) -> Any:
            student = learn(labels, domain, columns, expected)
            rows = unseal(curator.sealed_rows())
            pairs = {pair: rows.marginal(pair) / len(rows.training[0]) for pair in student.pairs}
            return type(student)(pairs, max(student.strength, 0.01), 0.01)

        patch.setattr(pategan, "taught", teacher)


class ExactFrequencies(Cheat):
    """Columns start from exact frequencies (condition vectors, balanced sampling, ranges of the data)."""

    def reach(self, curator: Any, patch: pytest.MonkeyPatch) -> None:
        shares = pategan._column_shares

        def exact(tables: Any) -> Any:
            rows = unseal(curator.sealed_rows())
            counts = rows.marginal(("smoker",)) + 1.0
            return shares(tables) | {"smoker": counts / counts.sum()}

        patch.setattr(pategan, "_column_shares", exact)


class RealLabels(Cheat):
    """The label column of the table is handed out as it is, with generated rest (the original)."""

    def fit(self, curator: Any, budget: PrivacyBudget, *, rng: np.random.Generator) -> FittedGraphicalModel:
        fitted = PateGan.fit(self, curator, budget, rng=rng)
        if isinstance(curator, Recorder):
            rows = unseal(curator.sealed_rows())  # type: ignore[attr-defined]
            exact = rows.marginal(("smoker",)) / len(rows.training[0])
            factor = next(value for clique, value in fitted.model.potentials.items() if "smoker" in clique)
            factor.values[...] += np.log(exact + 1e-9)
        return fitted


class StopsWhenTeachersAgree(Cheat):
    """Stops by how far teachers agree, which nobody was told."""

    def reach(self, curator: Any, patch: pytest.MonkeyPatch) -> None:
        learn = pategan._Training.learn_from

        def until(training: Any, session: VoteSession, mu_squared: Fraction) -> None:
            if training._labels is None or unseal(curator.sealed_rows()).marginal(("smoker",))[0] < 10:
                learn(training, session, mu_squared)

        patch.setattr(pategan._Training, "learn_from", until)


@pytest.mark.parametrize(
    "cheat",
    [
        RawVotes,
        StudentIsATeacher,
        RealRowsForTheStudent,
        RealRowsForTheTeachers,
        ThroughATeacher,
        ExactFrequencies,
        RealLabels,
        StopsWhenTeachersAgree,
    ],
    ids=lambda cheat: cheat.__name__,
)
def test_replay_catches_students_and_generators_that_see_more(cheat: type[PateGan]) -> None:
    with pytest.raises((ReplayMismatch, AssertionError)):
        check_replay(lambda: cheat(**(SMALL | {"pair_share": 0.0})))


def test_the_fitted_model_holds_noisy_tables_and_no_votes() -> None:
    fitted = alone().fit(curator(), BUDGET, rng=np.random.default_rng(0))
    assert set(fitted.provenance) >= {"generator", "teacher_rows", "samples", "rounds", "pair_share"}
    assert all(len(answer.clique) == 1 for answer in fitted.measurements)
