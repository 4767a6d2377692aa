"""diffprivlib spends from our ledger, and is refused before it touches a row when the data set is spent."""

from __future__ import annotations

import contextlib
import copy
import os
import pickle
import threading
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import ApproximateDpEvent
from dpsynth.errors import BudgetExceeded, BudgetNotSet, InvalidInput, LedgerError
from dpsynth.integrations.shared_account import group_event
from dpsynth.ledger import EntryKind, Ledger
from tests.faults.children import die, start
from tests.integrations.conftest import DATASET, UNIT

pytest.importorskip("sklearn")
try:
    import diffprivlib
    from diffprivlib import BudgetAccountant, models, tools
except ImportError:
    # With a newer scikit-learn it is installed and cannot be imported.
    pytest.skip("needs the diffprivlib extra, which needs scikit-learn < 1.8", allow_module_level=True)

from dpsynth.integrations.diffprivlib_accountant import LedgerBudgetAccountant

pytestmark = pytest.mark.filterwarnings(
    "ignore::RuntimeWarning", "ignore::FutureWarning", "ignore:scipy.optimize:DeprecationWarning"
)

ROWS = np.random.default_rng(5).random((60, 2))
LABELS = (ROWS[:, 0] > 0.5).astype(int)
MODELS: dict[str, Callable[[Any, float], Any]] = {
    "LogisticRegression": lambda accountant, epsilon: models.LogisticRegression(
        epsilon=epsilon, data_norm=2.0, accountant=accountant
    ).fit(ROWS, LABELS),
    "GaussianNB": lambda accountant, epsilon: models.GaussianNB(
        epsilon=epsilon, bounds=(0, 1), priors=[0.5, 0.5], accountant=accountant
    ).fit(ROWS, LABELS),
    "LinearRegression": lambda accountant, epsilon: models.LinearRegression(
        epsilon=epsilon, bounds_X=(0, 1), bounds_y=(0, 1), accountant=accountant
    ).fit(ROWS, ROWS[:, 0]),
    "StandardScaler": lambda accountant, epsilon: models.StandardScaler(
        epsilon=epsilon, bounds=(0, 1), accountant=accountant
    ).fit(ROWS),
    "KMeans": lambda accountant, epsilon: models.KMeans(2, epsilon=epsilon, bounds=(0, 1), accountant=accountant).fit(
        ROWS
    ),
    "PCA": lambda accountant, epsilon: models.PCA(
        1, epsilon=epsilon, bounds=(0, 1), data_norm=2.0, accountant=accountant
    ).fit(ROWS),
    "DecisionTreeClassifier": lambda accountant, epsilon: models.DecisionTreeClassifier(
        2, epsilon=epsilon, bounds=(0, 1), classes=(0, 1), accountant=accountant
    ).fit(ROWS, LABELS),
    "RandomForestClassifier": lambda accountant, epsilon: models.RandomForestClassifier(
        2, epsilon=epsilon, bounds=(0, 1), classes=(0, 1), max_depth=2, accountant=accountant
    ).fit(ROWS, LABELS),
    "mean": lambda accountant, epsilon: tools.mean(ROWS, epsilon=epsilon, bounds=(0, 1), accountant=accountant),
    "std": lambda accountant, epsilon: tools.std(ROWS, epsilon=epsilon, bounds=(0, 1), accountant=accountant),
    "median": lambda accountant, epsilon: tools.median(ROWS, epsilon=epsilon, bounds=(0, 1), accountant=accountant),
    "histogram": lambda accountant, epsilon: tools.histogram(
        ROWS[:, 0], epsilon=epsilon, range=(0, 1), accountant=accountant
    ),
}


class TouchedError(AssertionError):
    """Somebody read the rows."""


class Untouchable:
    """Stands for rows; reading them in any way is an error."""

    def __getattribute__(self, name: str) -> Any:
        raise TouchedError(name)


@pytest.fixture(autouse=True)
def default_accountant() -> Iterator[None]:
    BudgetAccountant.pop_default()
    yield
    BudgetAccountant.pop_default()


@pytest.fixture
def accountant(ledger: Ledger) -> LedgerBudgetAccountant:
    return LedgerBudgetAccountant(ledger, DATASET, unit=UNIT, rows_public=True, purpose="a model")


def spent(ledger: Ledger) -> Fraction | None:
    return ledger.spent(DATASET).epsilon


def kinds(ledger: Ledger) -> list[str]:
    return [entry.kind.value for entry in ledger.entries(DATASET)][1:]


@pytest.mark.parametrize("work", MODELS.values(), ids=MODELS)
class TestEveryModelAndTool:
    def test_is_charged_exactly_once_and_settled(
        self, work: Callable[[Any, float], Any], ledger: Ledger, accountant: LedgerBudgetAccountant
    ) -> None:
        work(accountant, 0.25)
        assert spent(ledger) == Fraction(1, 4)
        assert kinds(ledger) == ["RESERVE", "OPEN", "SETTLE"]
        assert accountant.spent_budget == [(0.25, 0)]

    def test_is_refused_when_the_data_set_is_spent(
        self, work: Callable[[Any, float], Any], ledger: Ledger, accountant: LedgerBudgetAccountant
    ) -> None:
        accountant.spend(0.9, 0)
        with pytest.raises(BudgetExceeded, match=r"asked for epsilon 0.2 by diffprivlib, but epsilon 0.1 \(pure\)"):
            work(accountant, 0.2)
        assert spent(ledger) == Fraction(9, 10)


class TestOrder:
    def test_rows_are_not_touched_when_refused(self, ledger: Ledger, accountant: LedgerBudgetAccountant) -> None:
        accountant.spend(1, 0)
        with pytest.raises(BudgetExceeded):
            models.LogisticRegression(epsilon=0.1, data_norm=2.0, accountant=accountant).fit(Untouchable(), LABELS)

    def test_the_charge_is_open_while_rows_are_read(self, ledger: Ledger, accountant: LedgerBudgetAccountant) -> None:
        seen = []

        class Rows:
            def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
                seen.append((spent(ledger), kinds(ledger)))
                return ROWS

        tools.mean(Rows(), epsilon=0.5, bounds=(0, 1), accountant=accountant)
        assert seen[0] == (Fraction(1, 2), ["RESERVE", "OPEN"])

    @pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt, MemoryError, SystemExit])
    def test_work_that_dies_stays_charged(
        self, fault: type[BaseException], ledger: Ledger, accountant: LedgerBudgetAccountant
    ) -> None:
        class Rows:
            def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
                raise fault

        with pytest.raises(fault):
            tools.mean(Rows(), epsilon=0.5, bounds=(0, 1), accountant=accountant)
        assert spent(ledger) == Fraction(1, 2)
        assert kinds(ledger) == ["RESERVE", "OPEN"]

    def test_later_work_does_not_settle_what_died(self, ledger: Ledger, accountant: LedgerBudgetAccountant) -> None:
        class Rows:
            def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
                raise ValueError

        for rows in (Rows(), ROWS):
            with contextlib.suppress(ValueError):
                tools.mean(rows, epsilon=0.25, bounds=(0, 1), accountant=accountant)
        accountant.spend(0.25, 0)
        assert spent(ledger) == Fraction(3, 4)

    def test_a_check_alone_is_a_charge_and_fits_is_not(
        self, ledger: Ledger, accountant: LedgerBudgetAccountant
    ) -> None:
        assert accountant.fits(1)
        assert not accountant.fits(1.0001)
        assert spent(ledger) == 0
        assert accountant.check(0.5, 0)
        assert spent(ledger) == Fraction(1, 2)
        assert not accountant.fits(0.6)

    def test_several_checks_in_one_function_are_several_charges(
        self, ledger: Ledger, accountant: LedgerBudgetAccountant
    ) -> None:
        accountant.check(0.2, 0)
        accountant.check(0.2, 0)
        accountant.spend(0.2, 0)
        assert spent(ledger) == Fraction(2, 5)
        accountant.spend(0.2, 0)
        assert spent(ledger) == Fraction(2, 5)
        accountant.spend(0.2, 0)
        assert spent(ledger) == Fraction(3, 5)

    def test_a_spend_of_another_amount_is_another_charge(
        self, ledger: Ledger, accountant: LedgerBudgetAccountant
    ) -> None:
        accountant.check(0.5, 0)
        accountant.spend(0.25, 0)
        assert spent(ledger) == Fraction(3, 4)

    def test_an_interrupt_between_reserving_and_opening_is_not_refunded(
        self, ledger: Ledger, accountant: LedgerBudgetAccountant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Ledger, "open", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tools.mean(ROWS, epsilon=0.5, bounds=(0, 1), accountant=accountant)
        assert spent(ledger) == Fraction(1, 2)


class TestProcesses:
    def test_threads_share_one_budget(self, ledger: Ledger, accountant: LedgerBudgetAccountant) -> None:
        answers: list[bool] = []

        def ask() -> None:
            for _ in range(5):
                try:
                    tools.mean(ROWS, epsilon=0.1, bounds=(0, 1), accountant=accountant)
                    answers.append(True)
                except BudgetExceeded:
                    answers.append(False)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (answers.count(True), len(answers)) == (10, 20)
        assert spent(ledger) == 1

    def test_work_of_another_thread_is_not_settled(self, ledger: Ledger, accountant: LedgerBudgetAccountant) -> None:
        def begin() -> None:
            accountant.check(0.25, 0)

        def both(call: Callable[[], object]) -> None:
            thread = threading.Thread(target=call)
            thread.start()
            thread.join()

        both(begin)
        both(lambda: accountant.spend(0.25, 0))
        assert spent(ledger) == Fraction(1, 2)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
    def test_a_forked_copy_pays_again(self, ledger: Ledger, accountant: LedgerBudgetAccountant) -> None:
        accountant.check(0.25, 0)
        child = start(lambda say: say(str(accountant.spend(0.25, 0).spent_budget)))
        said, status = child.finish()
        assert (said, status) == (["[(0.25, 0.0)]"], 0)
        accountant.spend(0.25, 0)
        assert spent(ledger) == Fraction(1, 2)
        assert [entry.kind for entry in ledger.entries(DATASET)].count(EntryKind.SETTLE) == 2

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
    def test_work_that_is_killed_stays_charged(self, ledger: Ledger, accountant: LedgerBudgetAccountant) -> None:
        class Rows:
            def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
                die()

        child = start(lambda say: tools.mean(Rows(), epsilon=0.5, bounds=(0, 1), accountant=accountant))
        assert child.finish() == ([], -9)
        assert spent(ledger) == Fraction(1, 2)
        assert [entry.kind for entry in ledger.recover()] == [EntryKind.SETTLE]
        assert spent(ledger) == Fraction(1, 2)

    def test_the_default_of_the_process_is_charged(self, ledger: Ledger, accountant: LedgerBudgetAccountant) -> None:
        with accountant:
            tools.mean(ROWS, epsilon=0.25, bounds=(0, 1))
        assert spent(ledger) == Fraction(1, 4)
        accountant.set_default()
        models.StandardScaler(epsilon=0.25, bounds=(0, 1)).fit(ROWS)
        with pytest.raises(BudgetExceeded):
            tools.mean(ROWS, epsilon=0.75, bounds=(0, 1))
        assert spent(ledger) == Fraction(1, 2)

    def test_copies_are_no_second_budget(self, ledger: Ledger, accountant: LedgerBudgetAccountant) -> None:
        from sklearn.base import clone

        assert copy.copy(accountant) is accountant
        assert copy.deepcopy(accountant) is accountant
        model = models.LogisticRegression(epsilon=0.5, data_norm=2.0, accountant=accountant)
        clone(model).fit(ROWS, LABELS)
        clone(model).fit(ROWS, LABELS)
        with pytest.raises(BudgetExceeded):
            clone(model).fit(ROWS, LABELS)
        with pytest.raises(InvalidInput, match="cannot be pickled"):
            pickle.dumps(accountant)


class TestBaseClass:
    def test_there_is_no_slack(self, accountant: LedgerBudgetAccountant) -> None:
        assert accountant.slack == 0
        accountant.slack = 0
        with pytest.raises(InvalidInput, match="no slack"):
            accountant.slack = 0.1

    def test_many_small_spends_are_added_by_the_ledger_and_not_by_advanced_composition(
        self, accountant: LedgerBudgetAccountant
    ) -> None:
        for _ in range(10):
            accountant.spend(0.1, 0)
        with pytest.raises(BudgetExceeded):
            accountant.spend(1e-9, 0)

    def test_what_it_says_about_the_budget_is_what_the_ledger_says(
        self, ledger: Ledger, accountant: LedgerBudgetAccountant
    ) -> None:
        accountant.spend(0.25, 0)
        assert (accountant.epsilon, accountant.delta) == (1, 0)
        assert accountant.total() == (0.25, 0)
        assert accountant.remaining() == (0.75, 0)
        assert accountant.remaining(3) == (0.25, 0)
        assert len(accountant) == 1
        assert repr(accountant) == "LedgerBudgetAccountant(dataset='patients')"
        assert isinstance(accountant, diffprivlib.BudgetAccountant)
        accountant.spend(0.75, 0)
        assert accountant.remaining() == (0, 0)

    @pytest.mark.parametrize("k", [0, -1, True, 1.5])
    def test_a_number_of_spends_is_a_number(self, k: Any, accountant: LedgerBudgetAccountant) -> None:
        with pytest.raises(InvalidInput):
            accountant.remaining(k)

    @pytest.mark.parametrize("amount", [(float("inf"), 0), (0.1, 1.0), (float("nan"), 0), (-1, 0), (True, 0), (0.1, 1)])
    def test_amounts_without_bound_or_meaning_are_refused(
        self, amount: tuple[float, float], ledger: Ledger, accountant: LedgerBudgetAccountant
    ) -> None:
        with pytest.raises(InvalidInput):
            accountant.check(*amount)
        assert spent(ledger) == 0

    def test_numbers_of_numpy_are_numbers(self, ledger: Ledger, accountant: LedgerBudgetAccountant) -> None:
        accountant.spend(np.float64(0.1), np.int64(0))
        assert spent(ledger) == Fraction(1, 10)

    def test_no_delta_is_granted_where_none_was_set_aside(self, accountant: LedgerBudgetAccountant) -> None:
        with pytest.raises(BudgetExceeded):
            accountant.check(0.1, 1e-9)


class TestUnit:
    def test_the_number_of_rows_must_be_said_to_be_public(self, ledger: Ledger) -> None:
        with pytest.raises(InvalidInput, match="rows_public=True"):
            LedgerBudgetAccountant(ledger, DATASET, unit=UNIT, rows_public=False)

    def test_another_unit_is_refused(self, ledger: Ledger) -> None:
        accountant = LedgerBudgetAccountant(ledger, DATASET, unit="one household", rows_public=True)
        with pytest.raises(LedgerError, match="one household"):
            tools.mean(Untouchable(), epsilon=0.1, bounds=(0, 1), accountant=accountant)

    def test_a_data_set_without_budget_is_refused_at_once(self, ledger: Ledger) -> None:
        with pytest.raises(BudgetNotSet):
            LedgerBudgetAccountant(ledger, "others", unit=UNIT, rows_public=True)

    @pytest.mark.parametrize("rows", [0, -1, True, 1.5])
    def test_rows_per_unit_is_a_number(self, rows: Any, ledger: Ledger) -> None:
        with pytest.raises(InvalidInput):
            LedgerBudgetAccountant(ledger, DATASET, unit=UNIT, rows_public=True, rows_per_unit=rows)

    def test_units_of_several_rows_cost_several_times(self, ledger: Ledger) -> None:
        accountant = LedgerBudgetAccountant(ledger, DATASET, unit=UNIT, rows_public=True, rows_per_unit=4)
        tools.mean(ROWS, epsilon=0.25, bounds=(0, 1), accountant=accountant)
        assert spent(ledger) == 1
        assert accountant.spent_budget == [(0.25, 0)]

    def test_a_group_costs_what_the_lemma_says(self) -> None:
        # k = 2, epsilon = 1/2: delta' = 2 e^(1/2) delta = 3.29744... delta
        event = group_event(ApproximateDpEvent(Decimal("0.5"), Decimal("1e-6")), 2)
        assert event.epsilon == 1
        assert 3.2974425414e-6 <= float(event.delta) <= 3.297442545e-6
        with pytest.raises(InvalidInput, match="protects nobody"):
            group_event(ApproximateDpEvent(Decimal(60), Decimal("1e-6")), 2)

    def test_the_ledger_says_what_it_was(self, ledger: Ledger, accountant: LedgerBudgetAccountant) -> None:
        MODELS["LogisticRegression"](accountant, 0.25)
        reserved = ledger.entries(DATASET)[1]
        assert reserved.purpose == "diffprivlib: LogisticRegression.fit: a model (number of rows public)"
        assert not reserved.certifiable
        assert reserved.charges[0].event == ApproximateDpEvent(Decimal("0.25"), Decimal(0))
        ledger.verify()


def test_what_the_guide_says_about_leaking_bounds_holds(accountant: LedgerBudgetAccountant) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", diffprivlib.utils.PrivacyLeakWarning)
        with pytest.raises(diffprivlib.utils.PrivacyLeakWarning):
            tools.mean(ROWS, epsilon=0.1, accountant=accountant)


def test_a_budget_with_delta_serves_both_tools(path: Any) -> None:
    with Ledger(f"sqlite:///{path}") as ledger:
        ledger.set_budget(DATASET, PrivacyBudget(1, "1e-6"), UNIT, event_delta="5e-7")
        accountant = LedgerBudgetAccountant(ledger, DATASET, unit=UNIT, rows_public=True)
        accountant.spend(0.5, 4e-7)
        with pytest.raises(BudgetExceeded):
            accountant.spend(0.1, 2e-7)
        assert ledger.spent(DATASET).delta == Fraction(4, 10**7)
