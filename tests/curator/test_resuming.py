"""An interrupted training is resumed for nothing, and all its lives together answer no more steps than were charged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch", reason="needs the neural extra")
pytestmark = pytest.mark.torch

from dpsynth.accounting.budget import PrivacyBudget  # noqa: E402
from dpsynth.curator import Curator  # noqa: E402
from dpsynth.curator._sealed import unseal  # noqa: E402
from dpsynth.curator.authority import Life  # noqa: E402
from dpsynth.curator.gradient_queries import GradientSession, TrainingPlan  # noqa: E402
from dpsynth.errors import BudgetExceeded, InvalidInput, LedgerError, LedgerUnavailable, TableError  # noqa: E402
from dpsynth.ledger import EntryKind, Ledger, load_or_create_key, verify_extract  # noqa: E402
from dpsynth.ledger.journal import JournalWriter  # noqa: E402
from dpsynth.ledger.statement import Statement  # noqa: E402
from dpsynth.schema.schema import Schema  # noqa: E402
from tests.faults.children import Say, die, start  # noqa: E402

TEXT = """
name: clinic
fields:
  - {name: smoker, type: boolean}
  - {name: stage, type: string, categories: [none, early, late]}
dpsynth: {unit: {kind: row}, public_rows: 100}
"""
SCHEMA = Schema.from_text(TEXT)
BUDGET = PrivacyBudget(2, "1e-5")
WIDTH = sum(SCHEMA.domain.sizes)
PARAMETERS = [np.zeros(WIDTH)]
PLAN = TrainingPlan(
    noise_multiplier=2.0, sampling_probability=0.1, steps=7, clipping_norm=1.0, public_units=100, delta="1e-6"
)
BLOCK = 3


def loss(parameters: Any, row: Any, auxiliary: Any) -> Any:
    return (row * parameters[0]).sum()


def table(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"smoker": rng.random(100) < 0.3, "stage": rng.choice(["none", "early", "late"], 100)})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPSYNTH_HOME", str(tmp_path / "home"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    with Ledger(path) as ledger:
        ledger.set_budget("clinic", BUDGET, unit="one row", event_delta="2e-6")
    return path


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(path, create=False) as opened:
        yield opened


def opened(ledger: Ledger, life: Life = Life.LATER, data: pd.DataFrame | None = None, **changed: Any) -> Curator:
    given: dict[str, Any] = {"release_id": "r1", "configuration": "ab" * 32, "life": life}
    return Curator.open(table() if data is None else data, SCHEMA, ledger=ledger, **(given | changed))


def training(curator: Curator, plan: TrainingPlan = PLAN, block: int = BLOCK, purpose: str = "train") -> Any:
    return curator.training(plan, loss, PARAMETERS, purpose=purpose, block=block)


def answer(session: GradientSession, most: int = 99) -> list[int]:
    steps = []
    while session.steps_left and len(steps) < most:
        steps.append(session.noisy_gradient(PARAMETERS).step)
    return steps


def interrupt(ledger: Ledger, after: int, life: Life = Life.FIRST) -> list[int]:
    """Answer `after` steps and end as `Ctrl-C` does."""
    steps: list[int] = []
    with pytest.raises(KeyboardInterrupt), training(opened(ledger, life)) as session:  # noqa: PT012
        steps += answer(session, after)
        raise KeyboardInterrupt
    return steps


def kinds(ledger: Ledger) -> list[str]:
    return [entry.kind.value for entry in ledger.entries("clinic")[1:]]


# ------------------------------------------------------------------------------------------------------ one training


def test_steps_are_claimed_before_they_are_answered(ledger: Ledger) -> None:
    with training(opened(ledger, Life.FIRST)) as session:
        claimed = []
        while session.steps_left:
            claimed.append(session.is_between_blocks)
            session.noisy_gradient(PARAMETERS)
            assert ledger.entries()[-1].steps >= PLAN.steps - session.steps_left
        assert session.is_between_blocks
    assert claimed == [True, False, False, True, False, False, True]
    assert kinds(ledger) == ["RESERVE", "OPEN", "STEPS", "STEPS", "STEPS", "SETTLE"]
    assert [entry.steps for entry in ledger.entries("clinic") if entry.kind is EntryKind.STEPS] == [3, 6, 7]


def test_a_training_without_blocks_writes_what_it_always_wrote(ledger: Ledger) -> None:
    with training(opened(ledger, Life.ONLY), block=0) as session:
        assert not session.is_between_blocks
        assert answer(session) == list(range(1, 8))
        assert not session.is_between_blocks
    assert kinds(ledger) == ["RESERVE", "OPEN", "SETTLE"]
    assert not any(entry.steps for entry in ledger.entries())


def test_a_resumed_training_costs_nothing_more_and_answers_what_no_life_had_claimed(ledger: Ledger) -> None:
    assert interrupt(ledger, after=2) == [1, 2]
    spent = ledger.spent("clinic")
    curator = opened(ledger)
    with training(curator) as session:
        assert session.steps_left == PLAN.steps - BLOCK
        assert answer(session) == [4, 5, 6, 7]
        with pytest.raises(BudgetExceeded, match="0 of 7 steps"):
            session.noisy_gradient(PARAMETERS)
    assert ledger.spent("clinic") == spent
    assert curator.charged == (("train", PLAN.cover()),)
    assert kinds(ledger) == ["RESERVE", "OPEN", "STEPS", "SETTLE", "OPEN", "STEPS", "STEPS"]
    ledger.verify()
    assert verify_extract(ledger.extract("r1"), expected_head=ledger.head()) == []


def test_it_may_be_resumed_as_often_as_there_are_blocks(ledger: Ledger) -> None:
    answered = interrupt(ledger, after=1)
    for _ in range(4):
        answered += interrupt(ledger, after=1, life=Life.LATER)
    assert answered == [1, 4, 7]
    with training(opened(ledger)) as session:
        assert session.steps_left == 0
    assert sum(kind == "SETTLE" for kind in kinds(ledger)) == 1


def test_a_training_that_ended_is_opened_for_its_audit_and_answers_nothing(ledger: Ledger) -> None:
    with training(opened(ledger, Life.FIRST)) as session:
        answer(session)
    curator = opened(ledger)
    with training(curator) as session:
        assert session.steps_left == 0
        assert session.is_between_blocks
        with pytest.raises(BudgetExceeded):
            session.noisy_gradient(PARAMETERS)
    assert len(unseal(curator.sealed_rows()).training[0]) == 100


def test_what_was_measured_before_stays_charged_and_is_not_measured_again(ledger: Ledger) -> None:
    first = opened(ledger, Life.FIRST)
    with first.within(PrivacyBudget("0.1", "1e-9"), purpose="columns") as session:
        session.measure(("smoker",), session.mu_squared)
    with training(first) as gradients:
        answer(gradients, 1)
    later = opened(ledger)
    with pytest.raises(LedgerError, match="only go on with the training"), later.within(BUDGET, purpose="columns"):
        pass
    with training(later):
        pass
    assert later.charged == first.charged
    assert len(later.charged) == 2


def test_noise_and_batches_of_a_later_life_are_fresh(ledger: Ledger) -> None:
    answers = []
    for life in (Life.FIRST, Life.LATER):
        torch.manual_seed(0)
        with training(opened(ledger, life)) as session:
            answers.append(session.noisy_gradient(PARAMETERS).parts[0])
    assert not np.array_equal(answers[0], answers[1])


# ------------------------------------------------------------------------------------------------- what is not the same


@pytest.mark.parametrize(
    "changed",
    [
        {"plan": replace(PLAN, steps=8)},
        {"plan": replace(PLAN, noise_multiplier=1.9)},
        {"plan": replace(PLAN, sampling_probability=0.2)},
        {"purpose": "train again"},
        {"block": 0},
    ],
    ids=str,
)
def test_another_plan_is_refused_and_nothing_is_charged(ledger: Ledger, changed: dict[str, Any]) -> None:
    interrupt(ledger, after=1)
    before = ledger.entries()
    with pytest.raises(LedgerError, match="Nothing was read or charged"), training(opened(ledger), **changed):
        pass
    assert ledger.entries() == before


def test_another_configuration_is_refused(ledger: Ledger) -> None:
    interrupt(ledger, after=1)
    with pytest.raises(LedgerError, match="same rows, schema"), training(opened(ledger, configuration="cd" * 32)):
        pass


def test_other_rows_are_refused_before_any_step_is_claimed(ledger: Ledger) -> None:
    interrupt(ledger, after=1)
    for other in (table(1), table().iloc[:-1], table().iloc[::-1]):
        begun = training(opened(ledger, data=other))
        with pytest.raises(TableError, match="not the rows that the training was begun on"), begun:
            pass
    with training(opened(ledger)) as session:
        assert answer(session) == [4, 5, 6, 7]


def test_a_release_that_never_began_a_training_has_nothing_to_go_on_with(ledger: Ledger) -> None:
    with pytest.raises(InvalidInput, match="give its release_id"):
        Curator.open(table(), SCHEMA, ledger=ledger, life=Life.LATER)
    with pytest.raises(LedgerError, match="Nothing was read or charged"), training(opened(ledger)):
        pass
    assert kinds(ledger) == []
    with opened(ledger, Life.FIRST).within(PrivacyBudget("0.1", "1e-9"), purpose="columns") as columns:
        columns.measure(("smoker",), columns.mu_squared)
    with training(opened(ledger)) as session:  # interrupted before it was reserved: it is charged now
        assert answer(session, 1) == [1]
    assert kinds(ledger)[3:5] == ["RESERVE", "OPEN"]


def test_the_same_units_are_held_back_in_every_life_and_others_in_other_releases(ledger: Ledger) -> None:
    def held_back(release_id: str, life: Life) -> Any:
        from fractions import Fraction

        curator = opened(ledger, life, release_id=release_id, control_fraction=Fraction(1, 2))
        with training(curator, plan=replace(PLAN, noise_multiplier=4.0)):
            return unseal(curator.sealed_rows()).control

    first, later, other = (held_back(*which) for which in (("a", Life.FIRST), ("a", Life.LATER), ("b", Life.FIRST)))
    np.testing.assert_array_equal(first, later)
    assert first.shape != other.shape or not np.array_equal(first, other)


# -------------------------------------------------------------------------------------------------------- adversaries


def test_while_the_first_process_lives_it_is_taken_over_and_claims_nothing_more(path: Path) -> None:
    """Both answer, but never the same step, and never more than all."""
    with Ledger(path, create=False) as here, Ledger(path, create=False) as there:
        answered: list[int] = []
        first = training(opened(here, Life.FIRST))
        with pytest.raises(LedgerError, match="was resumed by another process"), first as one:  # noqa: PT012
            answered += answer(one, 2)
            with training(opened(there)) as two:
                answered += answer(two, 2)
                answered += answer(one, 1)  # what it had claimed is its own
                with pytest.raises(LedgerError, match="was resumed by another process"):
                    one.noisy_gradient(PARAMETERS)
                answered += answer(two)
        assert sorted(answered) == list(range(1, PLAN.steps + 1))
        there.verify()


def test_two_that_resume_the_same_answer_no_step_twice(path: Path) -> None:
    with Ledger(path, create=False) as ledger:
        answered = interrupt(ledger, after=1)
    with Ledger(path, create=False) as here, Ledger(path, create=False) as there:
        first = training(opened(here))
        with pytest.raises(LedgerError, match="was resumed by another process"), first as one:  # noqa: PT012
            answered += answer(one, 1)
            with training(opened(there)) as two:
                answered += answer(two)
            answered += answer(one)
    assert sorted(answered) == sorted(set(answered))
    assert len(answered) <= PLAN.steps


def test_a_forked_copy_answers_nothing(ledger: Ledger) -> None:
    with training(opened(ledger, Life.FIRST)) as session:
        answer(session, 1)
        child = start(lambda say: say(str(session.steps_left)))
        assert child.finish() == (["0"], 0)


def test_a_claim_that_fails_answers_nothing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object, **named: object) -> None:
        raise LedgerUnavailable("the disk is full")

    with pytest.raises(LedgerUnavailable), training(opened(ledger, Life.FIRST)) as session:  # noqa: PT012
        answer(session, BLOCK)
        monkeypatch.setattr(JournalWriter, "append", broken)
        for _ in range(2):
            with pytest.raises(LedgerUnavailable):
                session.noisy_gradient(PARAMETERS)
        assert session.steps_left == PLAN.steps - BLOCK


def test_what_an_earlier_budget_paid_for_is_not_gone_on_with_under_a_later_one(path: Path, tmp_path: Path) -> None:
    keys = [load_or_create_key(tmp_path / f"{name}.pem") for name in ("ada", "bob")]
    with Ledger(path.with_name("renewed.db")) as ledger:
        ledger.set_budget(
            "clinic", BUDGET, unit="one row", event_delta="2e-6", approvers=[key.public_pem for key in keys]
        )
        assert interrupt(ledger, after=2) == [1, 2]
        renewal = ledger.propose_renewal("clinic", BUDGET, reason="next year, other people")
        ledger.renew(renewal, [renewal.approved_with(key) for key in keys])
        before = ledger.head()
        with pytest.raises(LedgerError), training(opened(ledger)):
            pass
        assert ledger.head() == before
        assert ledger.spent("clinic").mu_squared == 0
        assert ledger.lifetime("clinic").mu_squared == PLAN.cover().mu_squared
        ledger.verify()


def test_a_new_budget_does_not_begin_while_a_killed_training_is_open(path: Path, tmp_path: Path) -> None:
    keys = [load_or_create_key(tmp_path / f"{name}.pem") for name in ("ada", "bob")]
    place = path.with_name("renewed.db")
    approvers = [key.public_pem for key in keys]
    with Ledger(place) as ledger:
        ledger.set_budget("clinic", BUDGET, unit="one row", event_delta="2e-6", approvers=approvers)
    assert live(place, "answered", 2, Life.FIRST) == 2
    with Ledger(place, create=False) as ledger:
        renewal = ledger.propose_renewal("clinic", BUDGET, reason="next year, other people")
        with pytest.raises(LedgerError, match="not settled"):
            ledger.renew(renewal, [renewal.approved_with(key) for key in keys])
        assert ledger.epoch("clinic") == 1
    assert live(place, "answered", 100, Life.LATER) == PLAN.steps - BLOCK


def killing(point: int, when: str) -> Callable[[JournalWriter, Statement], Any]:
    """Return an `append` that dies at the writing numbered `point`, before the commit; `after` it with `when`."""
    written = 0
    append = JournalWriter.append

    def dying(self: JournalWriter, statement: Statement) -> Any:
        nonlocal written
        written += 1
        if written == point and when == "before":
            die()
        entry = append(self, statement)
        if written == point and when == "inside":
            die()
        return entry

    return dying


def live(path: Path, when: str, point: int, which: Life) -> int:
    """Let one life of the training run in a process of its own, and return how many steps it answered."""

    def work(say: Say) -> None:
        number = 0
        JournalWriter.append = killing(point, when)  # type: ignore[method-assign]
        with Ledger(path, create=False) as books, training(opened(books, which)) as session:
            while session.steps_left:
                session.noisy_gradient(PARAMETERS)
                say("answered")
                number += 1
                if when == "answered" and number == point:
                    die()

    lines, code = start(work).finish()
    assert code == (0 if point > 99 else -9 if code else 0), lines
    return lines.count("answered")


@pytest.mark.parametrize("when", ["before", "inside", "answered"])
def test_whoever_dies_at_any_write_all_lives_together_answer_at_most_all_steps(path: Path, when: str) -> None:
    """Lives die before and inside of every write and after every answer; what they answer is heard through a pipe."""
    for point in range(2, 7):  # at the first write nothing is on disk, and so nothing can be resumed
        place = path.with_name(f"{when}-{point}.db")
        with Ledger(place) as ledger:
            ledger.set_budget("clinic", BUDGET, unit="one row", event_delta="2e-6")
        answered = sum(live(place, when, point, which) for which in (Life.FIRST, Life.LATER))
        answered += live(place, when, 100, Life.LATER)
        assert answered <= PLAN.steps
        with Ledger(place, create=False) as ledger:
            ledger.verify()
            claimed = [entry.steps for entry in ledger.entries() if entry.kind is EntryKind.STEPS]
            assert claimed == sorted(set(claimed))
            assert claimed[-1] == PLAN.steps
            assert sum(entry.kind is EntryKind.RESERVE for entry in ledger.entries()) == 1
            assert ledger.spent("clinic").mu_squared == PLAN.cover().mu_squared


def test_a_restored_copy_of_the_ledger_gives_no_step_back(path: Path) -> None:
    with Ledger(path, create=False) as ledger:
        interrupt(ledger, after=1)
    old = path.read_bytes()
    with Ledger(path, create=False) as ledger:
        interrupt(ledger, after=1, life=Life.LATER)
    path.write_bytes(old)
    with pytest.raises(Exception, match="entries are missing from the end"):
        Ledger(path, create=False)


def test_a_planted_fault_that_counts_from_the_checkpoint_is_caught(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were the number of used steps taken from elsewhere than the ledger, the ledger would refuse the claim."""
    from dpsynth.curator.gradients import StepAllowance

    interrupt(ledger, after=BLOCK + 1)
    claim_ahead = StepAllowance.claim_ahead
    monkeypatch.setattr(StepAllowance, "claim_ahead", lambda self, used, claim: claim_ahead(self, 0, claim))
    with training(opened(ledger)) as session, pytest.raises(LedgerError, match="6 of 7 steps"):
        session.noisy_gradient(PARAMETERS)
