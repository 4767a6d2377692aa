"""Teachers and votes behind the door; each fault that public PATE-GANs have is planted, and caught by its check."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.events import DpEvent, GaussianDpEvent
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.curator import Curator
from dpsynth.curator._sealed import unseal
from dpsynth.curator.allowance import Allowance
from dpsynth.curator.gate import Gate
from dpsynth.curator.rows import PrivateRows, compact
from dpsynth.curator.seal import Sealed
from dpsynth.curator.vote_queries import NoisyVotes, Teaching
from dpsynth.curator.votes import Teachers, count_votes, teacher_of, vote_sensitivity
from dpsynth.errors import BudgetExceeded, InvalidInput, SealedError
from dpsynth.ledger import Ledger
from dpsynth.randomness import SeededNoise, SystemNoise
from dpsynth.schema.domain import Domain
from dpsynth.schema.schema import Schema
from tests.curator.voting_room import DOMAIN, KEY, RECORDS, allowance, classroom, rows, teaching
from tests.curator.voting_room import OTHER_RECORDS as OTHERS

Votes = NDArray[np.bool_]
MakeTeachers = Callable[[PrivateRows, int, bytes], Teachers]

RECORD = st.integers(0, len(RECORDS) - 1)


# ------------------------------------------------------------------------------------------- one unit moves one teacher


def moves_one_teacher(make: MakeTeachers) -> None:
    """Add a unit of up to three rows, or take it away: at most one teacher votes differently, on whatever samples."""

    @settings(max_examples=60, derandomize=True, database=None, phases=[Phase.generate])  # the first example will do
    @given(
        st.lists(RECORD, max_size=25),
        st.lists(RECORD, min_size=1, max_size=3),
        st.integers(1, 9),
        st.binary(max_size=32),
    )
    def law(theirs: list[int], mine: list[int], count: int, key: bytes) -> None:
        owners = [place // 2 for place in range(len(theirs))]
        without = make(rows(theirs, owners), count, key)
        with_me = make(rows(theirs + mine, owners + [len(theirs)] * len(mine)), count, key)
        before, after = (made.votes(teaching(count), RECORDS, OTHERS) for made in (without, with_me))
        assert np.count_nonzero((before != after).any(axis=0)) <= 1

    law()


def test_one_unit_moves_one_teacher() -> None:
    moves_one_teacher(Teachers)


class Planted(Teachers):
    """Deals rows out in another way."""

    def __init__(self, data: PrivateRows, count: int, key: bytes) -> None:
        super().__init__(data, count, key)
        self._original = data


class SharedRows(Planted):
    """Every teacher is trained on all rows (the original and turing's)."""

    def votes(self, given: Teaching, samples: Any, generated: Any) -> Votes:
        alone = Teachers(self._original, 1, b"").votes(Teaching(1, given.groups, given.likeness), samples, generated)
        return np.repeat(alone, self.count, axis=1)


class OnePart(Planted):
    """Every teacher is trained on the part that the loop ended with (updated)."""

    def votes(self, given: Teaching, samples: Any, generated: Any) -> Votes:
        return np.repeat(super().votes(given, samples, generated)[:, -1:], self.count, axis=1)


class Learner:
    """A teacher that is an object of its own, and learns one part after the other."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._parts = [np.empty((0, len(domain)), dtype=np.int32)]

    def learn(self, part: NDArray[np.int32]) -> None:
        self._parts.append(part)

    def votes(self, given: Teaching, samples: Any, generated: Any) -> Votes:
        codes = np.concatenate(self._parts)
        rows = PrivateRows(self._domain, compact(codes, self._domain), codes[:0])
        return Teachers(rows, 1, b"").votes(Teaching(1, given.groups, given.likeness), samples, generated)


class OneAfterTheOther(Planted):
    """A list of teachers, each trained on its part in turn, then asked in turn."""

    def listed(self) -> list[Learner]:
        return [Learner(self._original.domain) for _ in range(self.count)]

    def votes(self, given: Teaching, samples: Any, generated: Any) -> Votes:
        teachers = self.listed()
        codes = np.stack(self._codes, axis=1).astype(np.int32)
        for place, part in zip(self._present, np.split(codes, self._starts[1:]), strict=False):
            teachers[place].learn(part)
        return np.concatenate([teacher.votes(given, samples, generated) for teacher in teachers], axis=1)


class OneObject(OneAfterTheOther):
    """The list is one object many times over: what it learned of any part, it votes with for all (smartnoise)."""

    def listed(self) -> list[Learner]:
        return [Learner(self._original.domain)] * self.count


def test_teachers_may_be_objects_as_long_as_they_are_several() -> None:
    moves_one_teacher(OneAfterTheOther)


class BySlices(Planted):
    """The rows are shuffled and cut into slices of equal length."""

    def __init__(self, data: PrivateRows, count: int, key: bytes) -> None:
        super().__init__(data, count, key)
        n = len(data.training[0])
        order = np.random.default_rng(0).permutation(n)
        teacher = np.arange(n) * count // max(n, 1)
        self._codes = tuple(column[order] for column in data.training)
        self._present, self._starts = np.unique(teacher, return_index=True)


class ByRow(Planted):
    """Rows are dealt out one by one, and not by the unit that they belong to."""

    def __init__(self, data: PrivateRows, count: int, key: bytes) -> None:
        super().__init__(PrivateRows(data.domain, data.training, data.control), count, key)


class Normalised(Planted):
    """What is usual is computed from everybody's rows: minima, maxima, means, mixtures fitted to the data."""

    def votes(self, given: Teaching, samples: Any, generated: Any) -> Votes:
        real = np.stack(self._codes, axis=1) if len(self._codes[0]) else generated
        return super().votes(given, samples, real)


class BestTeacherVotesTwice(Planted):
    """The teacher with the most rows is asked in place of one who has none."""

    def votes(self, given: Teaching, samples: Any, generated: Any) -> Votes:
        votes = super().votes(given, samples, generated)
        if len(self._present):
            largest = self._present[np.argmax(np.diff(np.r_[self._starts, len(self._codes[0])]))]
            votes[:, np.setdiff1d(np.arange(self.count), self._present)] = votes[:, largest, None]
        return votes


@pytest.mark.parametrize(
    "planted", [SharedRows, OnePart, OneObject, BySlices, ByRow, Normalised, BestTeacherVotesTwice]
)
def test_a_planted_way_of_dealing_rows_out_is_caught(planted: MakeTeachers) -> None:
    with pytest.raises(AssertionError):
        moves_one_teacher(planted)


def test_parts_are_disjoint_and_everybody_is_in_one() -> None:
    data = rows(list(range(24)) * 3, [place % 30 for place in range(72)])
    made = Teachers(data, 7, KEY)
    assert sorted(zip(*(column.tolist() for column in made._codes), strict=True)) == sorted(
        map(tuple, RECORDS.tolist() * 3)
    )
    assert {teacher_of(unit, 7, KEY) for unit in range(30)} == set(made._present.tolist())


def test_the_key_decides() -> None:
    assert [teacher_of(unit, 1000, KEY) for unit in range(20)] != [teacher_of(unit, 1000, b"x") for unit in range(20)]


def units_stay_with_their_teacher(ask: Callable[[Any, Teaching], Votes]) -> None:
    """Ask the same twice, with other questions in between: the votes are the same."""
    room = classroom(rows(list(range(24)) * 4))
    first = ask(room, teaching())
    ask(room, teaching(likeness=tuple(-table for table in teaching().likeness)))
    np.testing.assert_array_equal(ask(room, teaching()), first)
    with pytest.raises(InvalidInput, match="stay with them"):
        ask(room, teaching(8))


def counted(room: Any, given: Teaching) -> Votes:
    votes: Votes = unseal(room.query(given, RECORDS, OTHERS).value)
    return votes


def redealt(room: Any, given: Teaching) -> Votes:
    """Parts are drawn anew for every question (synthcity)."""
    room._teachers = None
    return counted(room, given)


def test_units_are_dealt_out_once() -> None:
    units_stay_with_their_teacher(counted)
    with pytest.raises(AssertionError):
        units_stay_with_their_teacher(redealt)


def test_the_key_is_fresh_and_secret() -> None:
    data = rows(list(range(24)) * 4)
    answers = {tuple(counted(classroom(data), teaching(40)).tolist()) for _ in range(5)}
    assert len(answers) > 1
    held = classroom(data)
    counted(held, teaching())
    assert isinstance(held._teachers, Sealed)
    assert isinstance(held._rows, Sealed)
    with pytest.raises(SealedError):
        pickle.dumps(held._teachers)


# ---------------------------------------------------------------------------------------------------- what teachers say


def test_a_teacher_takes_for_real_what_his_rows_are_like() -> None:
    votes = Teachers(rows([0] * 5), 1, KEY).votes(teaching(1), RECORDS[[0, 23]], RECORDS)
    assert votes.tolist() == [[True], [False]]


def test_teachers_without_rows_vote_by_a_public_rule() -> None:
    votes = Teachers(rows([]), 5, KEY).votes(teaching(5), RECORDS[:4], OTHERS)
    np.testing.assert_array_equal(votes, np.add.outer(np.arange(4), np.arange(5)) % 2 == 0)


@given(st.lists(RECORD, min_size=1, max_size=30), st.integers(1, 5))
def test_votes_are_what_the_definition_says(records: list[int], count: int) -> None:
    data, units = rows(records), range(len(records))
    got = Teachers(data, count, KEY).votes(teaching(count), RECORDS, OTHERS)
    tables = teaching().likeness

    def alike(x: Any, r: Any) -> int:
        agree = [int(table[a, b]) for table, a, b in zip(tables, x, r, strict=True)]
        return agree[0] * agree[1] + agree[0] * agree[2] + agree[1] * agree[2]

    for place, sample in enumerate(RECORDS):
        usual = round(float(np.mean([alike(sample, other) for other in OTHERS])))
        for teacher in range(count):
            mine = [RECORDS[records[unit]] for unit in units if teacher_of(unit, count, KEY) == teacher]
            score = sum(alike(sample, row) - usual for row in mine)
            assert got[place, teacher] == (score > 0 or (score == 0 and (place + teacher) % 2 == 0))


def test_large_numbers_do_not_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut into pieces or not, in any order of rows, votes are the same to the last bit."""
    rng = np.random.default_rng(3)
    tables = tuple(rng.integers(-1024, 1025, (size, size)) for size in DOMAIN.sizes)
    records = rng.integers(0, 24, 500)
    given = teaching(3, likeness=tables)
    whole = Teachers(rows(records.tolist(), [place % 9 for place in range(500)]), 3, KEY).votes(given, RECORDS, OTHERS)
    order = rng.permutation(500)
    monkeypatch.setattr("dpsynth.curator.votes._NUMBERS_AT_ONCE", 1)
    turned = Teachers(rows(records[order].tolist(), (order % 9).tolist()), 3, KEY).votes(given, RECORDS, OTHERS)
    np.testing.assert_array_equal(whole, turned)


# ----------------------------------------------------------------------------------------------------------- the charge

Ask = Callable[[PrivateRows, Allowance, int], NoisyVotes]
"""Of rows, what pays, and the number of samples; asks once for a hundredth."""

PRICE = Fraction(1, 100)


def asked(data: PrivateRows, pays: Allowance, samples: int) -> NoisyVotes:
    return count_votes(classroom(data), Gate(pays, SystemNoise()), teaching(), RECORDS[:samples], OTHERS, PRICE)


def charge_is_that_of_all_labels(ask: Ask) -> None:
    """Noise of the answer, its charge and the number of labels hang together, and no vote has a say in it."""
    events = set()
    for data in (rows([]), rows([0] * 200), rows(list(range(24)) * 8)):
        for samples in (1, 7, 24):
            pays = allowance()
            answer = ask(data, pays, samples)
            assert [event for _, event in pays.charged] == [answer.event]
            assert isinstance(answer.event, GaussianDpEvent)
            # A vote changes each of the counts by 1: standard deviation = multiplier * sqrt(labels).
            assert answer.stddev**2 == pytest.approx(samples * answer.event.noise_multiplier**2 + 1 / 12, rel=1e-9)
            spent = cost_of(answer.event).mu_squared
            assert spent is not None
            assert Fraction(99, 100) * PRICE <= spent <= PRICE
            events.add((samples, answer.event))
    assert len(events) == 3


def test_every_label_is_charged_and_no_charge_depends_on_votes() -> None:
    charge_is_that_of_all_labels(asked)


def by_consensus(data: PrivateRows, pays: Allowance, samples: int) -> NoisyVotes:
    """Charges less where teachers agree: data-dependent moments (as all six report them)."""
    votes = counted(classroom(data), teaching())[:samples]
    agreed = float(np.abs(votes / 7 - 0.5).mean())
    answer = asked(data, allowance(), samples)
    event = GaussianDpEvent(answer.event.noise_multiplier * (1 + agreed))  # type: ignore[attr-defined]
    pays.charge("labels", event)
    return NoisyVotes(answer.counts, 7, answer.stddev, event)


def first_label_only(data: PrivateRows, pays: Allowance, samples: int) -> NoisyVotes:
    """Charges one label for the batch."""
    answer = count_votes(classroom(data), Gate(pays, SystemNoise()), teaching(), RECORDS[:1], OTHERS, PRICE)
    return NoisyVotes(np.zeros(samples, dtype=np.int64), 7, answer.stddev, answer.event)


def dropped_are_free(data: PrivateRows, pays: Allowance, samples: int) -> NoisyVotes:
    """Labels without a clear majority are dropped, and not charged."""
    clear = int((np.abs(counted(classroom(data), teaching())[:samples] - 3.5) > 1).sum())
    return asked(data, pays, max(1, clear))


def uncharged(data: PrivateRows, pays: Allowance, samples: int) -> NoisyVotes:
    """A fixed number of iterations and no accountant (the original)."""
    return asked(data, allowance(), samples)


def other_scale(data: PrivateRows, pays: Allowance, samples: int) -> NoisyVotes:
    """Adds noise of scale 1 / s where the accountant assumes s (updated)."""
    answer = asked(data, pays, samples)
    return NoisyVotes(answer.counts, 7, 1 / answer.stddev, answer.event)


@pytest.mark.parametrize("planted", [by_consensus, first_label_only, dropped_are_free, uncharged, other_scale])
def test_a_planted_way_of_charging_is_caught(planted: Ask) -> None:
    with pytest.raises(AssertionError):
        charge_is_that_of_all_labels(planted)


def stops_before_the_limit(ask: Ask) -> None:
    pays = allowance(PRICE * 7 / 2)
    for _ in range(3):
        ask(rows([0]), pays, 5)
    with pytest.raises(BudgetExceeded):
        ask(rows([0]), pays, 5)
    assert pays.remaining_mu_squared >= 0
    assert len(pays.charged) == 3


class LooksTooLate(Allowance):
    """Looks whether something is left, and not whether it is enough: the last one overshoots (smartnoise)."""

    def charge(self, purpose: str, event: DpEvent) -> None:
        if self.remaining_mu_squared <= 0:
            raise self._refusal(purpose, None)
        self._spent += cost_of(event).mu_squared or 0
        self._charged.append((purpose, event))


def overshooting(data: PrivateRows, pays: Allowance, samples: int) -> NoisyVotes:
    late = LooksTooLate("clinic", pays.mu_squared)
    late._spent, late._charged = pays._spent, pays._charged
    answer = asked(data, late, samples)
    pays._spent = late._spent
    return answer


def test_the_label_that_would_exceed_the_budget_is_refused() -> None:
    stops_before_the_limit(asked)
    with pytest.raises(pytest.fail.Exception):
        stops_before_the_limit(overshooting)


@given(
    st.integers(1, 200).flatmap(lambda size: st.tuples(*[st.lists(st.booleans(), min_size=size, max_size=size)] * 2))
)
def test_the_sensitivity_bounds_every_change_of_mind(minds: tuple[list[bool], list[bool]]) -> None:
    moved = np.subtract(*(np.array(mind, dtype=np.int64) for mind in minds))
    bound = vote_sensitivity(len(moved))
    assert (np.abs(moved).sum(), (moved**2).sum(), np.abs(moved).max()) <= (bound.l1, bound.squared_l2, bound.linf)
    assert vote_sensitivity(len(moved)).squared_l2 == len(moved)


# --------------------------------------------------------------------------------------------------- through the door

FIELDS = """
name: clinic
fields:
  - {name: kind, type: string, categories: [a, b, c, d], constraints: {required: true}}
  - {name: shape, type: string, categories: [x, y, z], constraints: {required: true}}
dpsynth: {public_rows: 300, unit: """
SCHEMA = Schema.from_text(FIELDS + "{kind: row}}")
PEOPLE = Schema.from_text(FIELDS + "{id_column: who, max_rows_per_unit: 3}}")
BUDGET = PrivacyBudget(1, "1e-6")
SAMPLES = np.array([[a, b] for a in range(4) for b in range(3)], dtype=np.int32)


def two_columns(teachers: int = 20) -> Teaching:
    sizes = SCHEMA.domain.sizes
    return Teaching(
        teachers,
        tuple(np.arange(size) for size in sizes),
        tuple(np.eye(size, dtype=np.int64) * 3 - 1 for size in sizes),
    )


def opened(frame: pd.DataFrame, *, seed: int | None = None, schema: Schema = SCHEMA) -> Curator:
    books = Ledger("sqlite://")
    books.set_budget("clinic", BUDGET, unit="one row" if schema is SCHEMA else schema.unit.describe())
    return Curator.open(frame, schema, ledger=books, noise=None if seed is None else SeededNoise(seed))


def table(count: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"kind": rng.choice(list("abcd"), count), "shape": rng.choice(list("xyz"), count)})


def answer_of(curator: Curator) -> NoisyVotes:
    with curator.within(BUDGET, purpose="vote") as session:
        return session.votes(two_columns(), SAMPLES, SAMPLES[::2], session.mu_squared)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 60), st.sampled_from("abcd"), st.sampled_from("xyz"), st.integers(0, 1000))
def test_one_row_more_moves_no_answer_by_more_than_one(count: int, kind: str, shape: str, seed: int) -> None:
    frame = table(count, seed)
    more = pd.concat([frame, pd.DataFrame({"kind": [kind], "shape": [shape]})], ignore_index=True)
    # The same seed deals units out alike and adds the same noise: what is left of the difference is the row.
    before, after = (answer_of(opened(data, seed=seed)).counts for data in (frame, more))
    assert np.abs(after - before).max() <= 1


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 40), st.integers(1, 6), st.integers(0, 1000))
def test_one_person_more_moves_no_answer_by_more_than_one(count: int, mine: int, seed: int) -> None:
    frame = table(count, seed).assign(who=[f"p{place // 3}" for place in range(count)])
    more = pd.concat([frame, table(mine, seed + 1).assign(who="me")], ignore_index=True)
    before, after = (answer_of(opened(data, seed=seed, schema=PEOPLE)).counts for data in (frame, more))
    assert np.abs(after - before).max() <= 1


def test_the_door_charges_the_ledger_exactly_and_before_it_reads() -> None:
    curator = opened(table(200))
    answer = answer_of(curator)
    ((purpose, event),) = curator.charged
    assert purpose == "20 teachers label 12 samples"
    assert event == answer.event
    spent = curator._ledger.spent("clinic").mu_squared
    assert spent is not None
    assert Fraction(99, 100) * mu_squared_from_budget(BUDGET) <= spent <= mu_squared_from_budget(BUDGET)
    with pytest.raises(BudgetExceeded):
        answer_of(curator)


def differs_between_runs(ask: Callable[[], NDArray[np.int64]]) -> None:
    found = []
    for _ in range(2):
        np.random.seed(0)  # noqa: NPY002 - a global seed must not matter
        found.append(ask())
    assert not np.array_equal(*found)


def test_no_seed_reaches_the_noise() -> None:
    differs_between_runs(lambda: answer_of(opened(table(200))).counts)
    with pytest.raises(AssertionError):  # synthcity's: random_state=0 makes all noise a public constant
        differs_between_runs(lambda: np.random.laplace(0, 10, 12).astype(np.int64))  # noqa: NPY002


class Spy(np.ndarray):
    """An array that would keep what it is computed with."""

    kept: list[object] = []  # noqa: RUF012

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **named: Any) -> Any:
        Spy.kept.extend(inputs)
        return getattr(ufunc, method)(*(np.asarray(part) for part in inputs), **named)

    def __getitem__(self, key: Any) -> Any:
        Spy.kept.append(key)
        return np.asarray(self)[key]


class Nosy(Teaching):
    """A teaching with methods of its own."""

    def alike(self, samples: Any, rows: Any) -> NDArray[np.int64]:
        Spy.kept.append(rows)
        return super().alike(samples, rows)


def test_nothing_of_the_generators_runs_on_rows() -> None:
    plain = two_columns()
    nosy = Nosy(20, tuple(part.view(Spy) for part in plain.groups), tuple(part.view(Spy) for part in plain.likeness))
    Spy.kept.clear()
    with opened(table(50)).within(BUDGET, purpose="vote") as session:
        session.votes(nosy, SAMPLES.view(Spy), SAMPLES.view(Spy), session.mu_squared)
    assert not any(np.size(part) >= 20 for part in Spy.kept)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: teaching(0),
        lambda: teaching(True),
        lambda: teaching(2**20 + 1),
        lambda: teaching(2.5),  # type: ignore[arg-type]
        lambda: teaching(groups=()),
        lambda: teaching(groups=tuple(-np.ones(size) for size in DOMAIN.sizes)),
        lambda: teaching(likeness=tuple(np.eye(size) * 1025 for size in DOMAIN.sizes)),
        lambda: teaching(likeness=tuple(np.eye(size + 1) for size in DOMAIN.sizes)),
        lambda: counted(classroom(rows([])), two_columns()),
        lambda: classroom(rows([])).query(teaching(), RECORDS[:0], OTHERS),
        lambda: classroom(rows([])).query(teaching(), RECORDS, OTHERS[:0]),
        lambda: classroom(rows([])).query(teaching(), RECORDS[:, :2], OTHERS),
        lambda: classroom(rows([])).query(teaching(), RECORDS + 2, OTHERS),
        lambda: classroom(rows([])).query(teaching(2**20), np.repeat(RECORDS, 3, axis=0), OTHERS),
    ],
)
def test_questions_that_mean_nothing_are_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(InvalidInput):
        wrong()
