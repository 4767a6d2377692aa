"""What every generator in the registry has to keep, and planted cheats that must be caught by the same checks."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from dpsynth.accounting.budget import PrivacyBudget, exact_decimal
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.accounting.pld import PldAccountant
from dpsynth.curator import Curator
from dpsynth.curator._sealed import unseal
from dpsynth.curator.queries import MarginalQueries
from dpsynth.curator.seal import Sealed
from dpsynth.errors import BudgetExceeded, BudgetNotSet, ConstraintBroken
from dpsynth.evaluation.fidelity import marginal_counts, total_variation
from dpsynth.generators.base import FittedSynthesizer
from dpsynth.generators.fitted_model import FittedGraphicalModel, load_fitted_model
from dpsynth.generators.independent import Independent
from dpsynth.generators.mwem import MWEM
from dpsynth.generators.noisy_columns import as_measurements
from dpsynth.generators.registry import GENERATORS, GeneratorEntry
from dpsynth.ledger import Ledger
from dpsynth.models import estimate
from dpsynth.randomness import SeededNoise
from dpsynth.schema.codec import encode_cells
from dpsynth.schema.schema import Schema
from dpsynth.schema.table import spread_seed_from
from tests.conformance.fresh_process import called_afresh
from tests.conformance.tape import Player, Recorder, ReplayMismatch, Tape

CANARY = "Zebulon-Quartzmeier"
"""A cell that no schema declares."""

SCHEMA_TEXT = """
name: clinic
fields:
  - {name: smoker, type: boolean}
  - {name: stage, type: string, categories: [none, early, late]}
  - name: age
    type: integer
    constraints: {minimum: 0, maximum: 99}
    dpsynth: {bins: 5}
  - name: cost
    type: number
    constraints: {minimum: 0, maximum: 1000}
    dpsynth: {bins: 4, spikes: [0]}
dpsynth:
  unit: {kind: row}
  public_rows: 2000
"""
BUDGET = PrivacyBudget(1, "1e-6")
ROOMY = PrivacyBudget(5, "1e-2")


def schema() -> Schema:
    return Schema.from_text(SCHEMA_TEXT, source="clinic.yaml")


def table(rows: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age = rng.integers(0, 100, rows)
    smoker = rng.random(rows) < 0.2 + 0.5 * (age > 50)
    stage = np.where(smoker, rng.choice(["early", "late"], rows), "none")
    cost = np.where(stage == "none", 0.0, rng.uniform(0, 1000, rows))
    return pd.DataFrame({"smoker": smoker, "stage": stage, "age": age, "cost": cost.round(2)})


def ledger(budget: PrivacyBudget | None = BUDGET) -> Ledger:
    made = Ledger("sqlite://")
    if budget is not None:
        made.set_budget("clinic", budget, unit="one row")
    return made


def curator(data: pd.DataFrame, *, seed: int = 1, books: Ledger | None = None) -> Curator:
    return Curator.open(data, schema(), ledger=books or ledger(), noise=SeededNoise(seed))


@pytest.fixture(params=GENERATORS, ids=lambda entry: entry.name)
def entry(request: pytest.FixtureRequest) -> GeneratorEntry:
    chosen: GeneratorEntry = request.param
    if chosen.extra == "neural":
        pytest.importorskip("torch", reason="needs the neural extra")
    return chosen


@cache
def usual_fit(entry: GeneratorEntry) -> tuple[FittedSynthesizer, Curator, Ledger]:
    """Fit on the usual table; kept, because most laws only read what came out."""
    books = ledger()
    opened = curator(table(300), books=books)
    return entry.load().fit(opened, BUDGET, rng=np.random.default_rng(0)), opened, books


# ------------------------------------------------------------------------------------------------------------- replay


def check_replay(
    make: Callable[[], Any],
    data: pd.DataFrame,
    *,
    replay: Callable[..., Any] = called_afresh,
    books: Ledger | None = None,
) -> None:
    """Fit on a recording curator, then a fresh one on its tape with no data: the same requests, samples and files.

    The second fit is made in a process that never saw a row, so nothing that was kept anywhere of the first helps it.
    """
    recorder = Recorder(curator(data, books=books))
    with_data = make().fit(recorder, BUDGET, rng=np.random.default_rng(5))
    first, second = published(with_data), replay(published_from_tape, make, recorder.tape)
    if not np.array_equal(first[0], second[0]):
        raise ReplayMismatch("the samples differ although all answers were the same")
    if first[1] != second[1]:
        raise ReplayMismatch("the saved models differ although all answers were the same")


Published = tuple[NDArray[np.int32], dict[str, bytes]]


def published(fitted: Any) -> Published:
    """Return what a fitted generator gives away: a sample, and the files that it is saved as."""
    codes: NDArray[np.int32] = fitted.sample(200, rng=np.random.default_rng(6)).codes
    with TemporaryDirectory() as folder:
        place = Path(folder) / "model"
        fitted.save(place)
        files = {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    return codes, files


def published_from_tape(make: Callable[[], Any], tape: Tape) -> Published:
    player = Player(tape)
    without = make().fit(player, BUDGET, rng=np.random.default_rng(5))
    if not player.finished:
        raise ReplayMismatch("fewer questions were asked without the data")
    return published(without)


def test_replay_from_the_tape_gives_the_same_model(entry: GeneratorEntry) -> None:
    check_replay(entry.load, table(300))


@dataclass
class RowSmuggler:
    """Mixes exact counts into its model, from behind the curator's back."""

    name: str = "smuggler"

    def fit(self, curator: Any, budget: PrivacyBudget, *, rng: np.random.Generator) -> FittedGraphicalModel:
        fitted = MWEM(rounds=2).fit(curator, budget, rng=rng)
        exact = unseal(curator.sealed_rows()).marginal(("stage",)).astype(np.float64)
        answers = as_measurements(fitted.schema, fitted.measurements)
        answers[1] = type(answers[1])(clique=("stage",), counts=exact, stddev=0.01)
        return FittedGraphicalModel(fitted.schema, estimate(curator.domain, answers), fitted.measurements)


@dataclass
class Peeker:
    """Asks a different number of questions depending on a private count."""

    name: str = "peeker"

    def fit(self, curator: Any, budget: PrivacyBudget, *, rng: np.random.Generator) -> FittedGraphicalModel:
        with curator.within(budget, purpose="peek") as session:
            share = session.mu_squared / 10
            answers = [session.measure((name,), share) for name in curator.domain.names]
            sealed = getattr(curator, "sealed_rows", None)
            if sealed is not None and unseal(sealed()).marginal(("smoker",))[0] > 10:
                answers.append(session.measure(("smoker",), share))
        model = estimate(curator.domain, as_measurements(curator.schema, answers))
        return FittedGraphicalModel(curator.schema, model, tuple(answers))


@dataclass
class Stasher:
    """Keeps exact counts on itself while there is data, and fits to them afterwards."""

    name: str = "stasher"
    stash: Any = None

    def fit(self, curator: Any, budget: PrivacyBudget, *, rng: np.random.Generator) -> FittedGraphicalModel:
        fitted = MWEM(rounds=2).fit(curator, budget, rng=rng)
        sealed = getattr(curator, "sealed_rows", None)
        if sealed is not None:
            self.stash = unseal(sealed()).marginal(("stage",)).astype(np.float64)
        if self.stash is None:
            return fitted
        answers = as_measurements(fitted.schema, fitted.measurements)
        answers[1] = type(answers[1])(clique=("stage",), counts=self.stash, stddev=0.01)
        return FittedGraphicalModel(fitted.schema, estimate(curator.domain, answers), fitted.measurements)


@dataclass
class Overwriter:
    """Writes exact counts over those of an answer that it was given, where a tape may still hold it."""

    name: str = "overwriter"

    def fit(self, curator: Any, budget: PrivacyBudget, *, rng: np.random.Generator) -> FittedGraphicalModel:
        with curator.within(budget, purpose="overwrite") as session:
            share = session.mu_squared / 10
            answers = [session.measure((name,), share) for name in curator.domain.names]
        sealed = getattr(curator, "sealed_rows", None)
        if sealed is not None:
            counts = answers[1].counts
            counts.setflags(write=True)
            counts[:] = unseal(sealed()).marginal(answers[1].clique)
        model = estimate(curator.domain, as_measurements(curator.schema, answers))
        return FittedGraphicalModel(curator.schema, model, tuple(answers))


@dataclass
class ConditionKeeper:
    """Saves the conditions of the training rows with a model that never looks at them (synthcity's samplers)."""

    name: str = "condition keeper"

    def fit(self, curator: Any, budget: PrivacyBudget, *, rng: np.random.Generator) -> FittedGraphicalModel:
        fitted = Independent().fit(curator, budget, rng=rng)
        sealed = getattr(curator, "sealed_rows", None)
        conditions = [] if sealed is None else unseal(sealed()).training[0].tolist()
        return replace(fitted, provenance={**fitted.provenance, "conditions": str(conditions)})


def test_replay_catches_what_only_the_saved_model_knows() -> None:
    check_replay(Independent, table(300))
    with pytest.raises(ReplayMismatch, match="the saved models differ"):
        check_replay(ConditionKeeper, table(300))


KEPT: dict[str, Any] = {}
"""Where a cheat keeps exact counts that it saw, beyond the life of any one object."""


@dataclass
class ModuleStasher:
    """Keeps exact counts in its module, and fits to them whenever it finds them there."""

    name: str = "module stasher"

    def kept(self) -> dict[str, Any]:
        return KEPT

    def fit(self, curator: Any, budget: PrivacyBudget, *, rng: np.random.Generator) -> FittedGraphicalModel:
        fitted = MWEM(rounds=2).fit(curator, budget, rng=rng)
        sealed = getattr(curator, "sealed_rows", None)
        if sealed is not None:
            self.kept()["counts"] = unseal(sealed()).marginal(("stage",)).astype(np.float64)
        if "counts" not in self.kept():
            return fitted
        answers = as_measurements(fitted.schema, fitted.measurements)
        answers[1] = type(answers[1])(clique=("stage",), counts=self.kept()["counts"], stddev=0.01)
        return FittedGraphicalModel(fitted.schema, estimate(curator.domain, answers), fitted.measurements)


class ClassStasher(ModuleStasher):
    """Keeps them on its class."""

    counted: ClassVar[dict[str, Any]] = {}

    def kept(self) -> dict[str, Any]:
        return self.counted


class LibraryStasher(ModuleStasher):
    """Keeps them on an object that everybody shares."""

    def kept(self) -> dict[str, Any]:
        return vars(MWEM.fit)


def here(function: Callable[..., Any], *arguments: object) -> Any:
    return function(*arguments)


@pytest.mark.parametrize("cheat", [ModuleStasher, ClassStasher, LibraryStasher], ids=lambda cheat: cheat.__name__)
def test_replay_in_a_new_process_catches_what_one_process_cannot(cheat: Callable[[], Any]) -> None:
    check_replay(cheat, table(300), replay=here)
    with pytest.raises(ReplayMismatch, match="the samples differ"):
        check_replay(cheat, table(300))


@pytest.mark.parametrize("cheat", [RowSmuggler, Peeker, Stasher, Overwriter], ids=lambda cheat: cheat.__name__)
def test_replay_catches_generators_that_see_rows(cheat: Callable[[], Any]) -> None:
    with pytest.raises((ReplayMismatch, AttributeError)):
        check_replay(cheat, table(300))


# ------------------------------------------------------------------------------------------------------------- budget


def spends_at_most_its_budget(opened: Curator) -> None:
    accountant = PldAccountant()
    for _, event in opened.charged:
        accountant.compose(event)
    assert 0.5 < accountant.get_epsilon(BUDGET.delta) <= 1.0 + 1e-5


def test_spends_at_most_its_budget_under_a_second_accountant(entry: GeneratorEntry) -> None:
    spends_at_most_its_budget(usual_fit(entry)[1])


@dataclass
class Looker:
    """Asks an honest question before it fits within the delta that it is told."""

    name: str = "looker"

    def fit(self, curator: Any, budget: PrivacyBudget, *, rng: np.random.Generator) -> FittedGraphicalModel:
        with curator.within(PrivacyBudget("0.1", budget.delta / 10), purpose="look") as session:
            session.measure(("stage",), session.mu_squared)
        left = budget.epsilon * Decimal("0.9")
        return Independent().fit(curator, PrivacyBudget(left, self.delta(curator, budget)), rng=rng)

    def delta(self, curator: Any, budget: PrivacyBudget) -> Decimal:
        return budget.delta * Decimal("0.9")


class DeltaOfRows(Looker):
    """Takes 1 / (n sqrt n) of the private number of rows, whatever delta it is told (SmartNoise, synthcity)."""

    def delta(self, curator: Any, budget: PrivacyBudget) -> Decimal:
        sealed = getattr(curator, "sealed_rows", None)
        return self.of(len(unseal(sealed()).training[0]) if sealed is not None else curator.schema.public_rows)

    def of(self, rows: int) -> Decimal:
        return exact_decimal("delta", rows**-1.5)


class DeltaOfPublicRows(DeltaOfRows):
    """Takes that of the public number of rows, which replays, and is still not what it is told."""

    def delta(self, curator: Any, budget: PrivacyBudget) -> Decimal:
        return self.of(curator.schema.public_rows)


def test_replay_catches_a_delta_that_is_made_of_the_number_of_rows() -> None:
    for honest in (Looker, DeltaOfPublicRows):
        check_replay(honest, table(300), books=ledger(ROOMY))
    with pytest.raises(ReplayMismatch, match="was within and is now different"):
        check_replay(DeltaOfRows, table(300), books=ledger(ROOMY))


@pytest.mark.parametrize("cheat", [DeltaOfRows, DeltaOfPublicRows], ids=lambda cheat: cheat.__name__)
def test_the_delta_that_a_generator_is_told_is_the_one_that_it_keeps_to(cheat: Callable[[], Any]) -> None:
    """A ledger with room for more lets it pass, and the second accountant does not; one without refuses."""

    def opened(make: Callable[[], Any], books: Ledger) -> Curator:
        made = curator(table(300), books=books)
        make().fit(made, BUDGET, rng=np.random.default_rng(0))
        return made

    spends_at_most_its_budget(opened(Looker, ledger(ROOMY)))
    with pytest.raises(AssertionError):
        spends_at_most_its_budget(opened(cheat, ledger(ROOMY)))
    with pytest.raises(BudgetExceeded):
        opened(cheat, ledger())


def test_spends_nearly_all_of_its_allowance(entry: GeneratorEntry) -> None:
    _, _, books = usual_fit(entry)
    spent = books.spent("clinic")
    assert spent.mu_squared is not None
    assert Fraction(98, 100) * mu_squared_from_budget(BUDGET) <= spent.mu_squared <= mu_squared_from_budget(BUDGET)


def test_refuses_before_any_answer(entry: GeneratorEntry) -> None:
    with pytest.raises(BudgetNotSet):
        entry.load().fit(curator(table(50), books=ledger(None)), BUDGET, rng=np.random.default_rng(0))
    books = ledger(PrivacyBudget("0.5", "1e-6"))
    opened = curator(table(50), books=books)
    before = books.head()
    with pytest.raises(BudgetExceeded) as refusal:
        entry.load().fit(opened, BUDGET, rng=np.random.default_rng(0))
    assert books.head() == before
    assert opened.charged == ()
    assert Decimal("0.49") < refusal.value.largest_epsilon <= Decimal("0.5")


def test_a_second_fit_that_no_longer_fits_is_refused(entry: GeneratorEntry) -> None:
    _, opened, books = usual_fit(entry)
    before = books.head()
    with pytest.raises(BudgetExceeded):
        entry.load().fit(opened, BUDGET, rng=np.random.default_rng(0))
    assert books.head() == before


@dataclass
class Overspender:
    """Asks for more than its allowance."""

    name: str = "overspender"

    def fit(self, curator: MarginalQueries, budget: PrivacyBudget, *, rng: np.random.Generator) -> FittedGraphicalModel:
        with curator.within(budget, purpose="overspend") as session:
            answers = [session.measure((name,), session.mu_squared / 2) for name in curator.domain.names]
        model = estimate(curator.domain, as_measurements(curator.schema, answers))
        return FittedGraphicalModel(curator.schema, model, tuple(answers))


def test_an_overspender_is_stopped_at_its_allowance() -> None:
    books = ledger()
    opened = curator(table(50), books=books)
    with pytest.raises(BudgetExceeded):
        Overspender().fit(opened, BUDGET, rng=np.random.default_rng(0))
    assert len(opened.charged) == 2
    books.verify()
    spent = books.spent("clinic")
    assert spent.mu_squared is not None
    assert spent.mu_squared <= mu_squared_from_budget(BUDGET)


# ------------------------------------------------------------------------------------------------------------- output


@pytest.mark.parametrize("rows", [0, 1, 17, 1000])
def test_output_matches_the_schema_for_any_number_of_rows(entry: GeneratorEntry, rows: int) -> None:
    fitted, _, _ = usual_fit(entry)
    made = fitted.sample(rows, rng=np.random.default_rng(1))
    assert made.codes.shape == (rows, 4)
    sizes = np.array(schema().domain.sizes)
    assert ((made.codes >= 0) & (made.codes < sizes)).all()
    frame = made.to_pandas()
    assert list(frame.columns) == list(schema().domain.names)
    assert len(frame) == rows


def test_same_answers_and_same_public_seed_give_the_same_output(entry: GeneratorEntry) -> None:
    again = entry.load().fit(curator(table(300)), BUDGET, rng=np.random.default_rng(0))
    frames = [fitted.sample(100, rng=np.random.default_rng(4)).to_pandas() for fitted in (usual_fit(entry)[0], again)]
    pd.testing.assert_frame_equal(*frames)


def test_public_seeds_do_not_fix_the_noise(entry: GeneratorEntry) -> None:
    counts = []
    for _ in range(2):
        opened = Curator.open(table(300), schema(), ledger=ledger())
        fitted = entry.load().fit(opened, BUDGET, rng=np.random.default_rng(3))
        assert opened.certifiable
        counts.append(np.concatenate([answer.counts.ravel() for answer in fitted.measurements[:4]]))
    assert not np.array_equal(*counts)


def odd_tables() -> dict[str, pd.DataFrame]:
    plain = table(200)
    return {
        "no rows": plain.iloc[:0],
        "one row": plain.iloc[:1],
        "constant columns": pd.DataFrame([plain.iloc[0].tolist()] * 50, columns=plain.columns),
        "unknown categories": plain.assign(stage=CANARY),
        "all missing": pd.DataFrame({name: [None] * 50 for name in plain.columns}, dtype=object),
        "text everywhere": pd.DataFrame({name: [CANARY] * 50 for name in plain.columns}),
    }


@pytest.mark.parametrize("kind", sorted(odd_tables()))
def test_survives_odd_tables(entry: GeneratorEntry, kind: str) -> None:
    fitted = entry.load().fit(curator(odd_tables()[kind]), BUDGET, rng=np.random.default_rng(0))
    frame = fitted.sample(40, rng=np.random.default_rng(1)).to_pandas()
    assert len(frame) == 40
    assert not frame.astype(str).isin([CANARY]).to_numpy().any()


def test_keeps_nothing_sealed(entry: GeneratorEntry, tmp_path: Path) -> None:
    fitted = entry.load().fit(curator(table(200).assign(stage=CANARY)), BUDGET, rng=np.random.default_rng(0))
    for reached in _reachable(fitted):
        assert not isinstance(reached, (Sealed, Curator, pd.DataFrame))
        assert not (isinstance(reached, str) and CANARY in reached)
    fitted.save(tmp_path / "model")
    for file in (tmp_path / "model").rglob("*"):
        assert not file.is_file() or CANARY.encode() not in file.read_bytes()


def _reachable(start: object) -> list[object]:
    """Return every object that `start` refers to, classes, modules and functions left out."""
    seen: dict[int, object] = {}
    waiting = [start]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, (type, type(gc), type(_reachable))):
            continue
        seen[id(thing)] = thing
        waiting.extend(gc.get_referents(thing))
    return list(seen.values())


def test_saved_and_loaded_models_sample_alike(entry: GeneratorEntry, tmp_path: Path) -> None:
    fitted, _, _ = usual_fit(entry)
    fitted.save(tmp_path / "model")
    again = load_fitted_model(tmp_path / "model")
    first = fitted.sample(50, rng=np.random.default_rng(1)).to_pandas()
    pd.testing.assert_frame_equal(first, again.sample(50, rng=np.random.default_rng(1)).to_pandas())


def test_error_bars_cover_the_measured_table(entry: GeneratorEntry) -> None:
    data = table(2000)
    model = entry.load().fit(curator(data), BUDGET, rng=np.random.default_rng(5))
    made = model.sample(1500, rng=np.random.default_rng(6))
    bars = model.error_bars(made, rng=np.random.default_rng(7))
    domain = schema().domain
    real = encode_cells(schema(), {name: data[name].to_numpy() for name in domain.names})
    assert {bar.columns for bar in bars.bars} >= {(name,) for name in domain.names}
    for bar in bars.bars:
        if bar.basis == "measured":
            distance = total_variation(*(marginal_counts(codes, domain, bar.columns) for codes in (real, made.codes)))
            assert bar.lower <= distance <= bar.upper, bar
    assert model.error_bars(model.sample(0, rng=np.random.default_rng(6))).bars == ()


def test_conditions_hold_and_pieces_are_the_sample(entry: GeneratorEntry) -> None:
    fitted, _, _ = usual_fit(entry)
    given = {"stage": ["early", "late"], "age": 70}
    made = fitted.sample(90, rng=np.random.default_rng(1), given=given)
    frame = made.to_pandas()
    assert set(frame["stage"]) <= {"early", "late"}
    assert frame["age"].between(60, 79).all()
    rng = np.random.default_rng(1)
    spread_seed_from(rng)
    np.testing.assert_array_equal(np.concatenate(list(fitted.sample_chunks(90, rng=rng, given=given))), made.codes)


def test_sampled_error_is_the_models_error_plus_the_sampling_term(entry: GeneratorEntry) -> None:
    """Catches record samplers that follow another distribution than the model that was fitted."""
    fitted = entry.load().fit(curator(table(2000)), PrivacyBudget(1, "1e-6"), rng=np.random.default_rng(0))
    rows = 20_000
    made = fitted.sample(rows, rng=np.random.default_rng(1))
    assert isinstance(fitted, FittedGraphicalModel)
    names = schema().domain.names
    for place, first in enumerate(names):
        for other in range(place + 1, len(names)):
            pair = (first, names[other])
            shape = schema().domain.shape(pair)
            flat = made.codes[:, place] * shape[1] + made.codes[:, other]
            sampled = np.bincount(flat, minlength=shape[0] * shape[1]) / rows
            expected = fitted.model.marginal(pair).ravel() / fitted.model.total
            distance = 0.5 * np.abs(sampled - expected).sum()
            # Independent draws would deviate by about sqrt(cells / (2 pi rows)); controlled rounding by less.
            assert distance <= 1.5 * np.sqrt(shape[0] * shape[1] / (2 * np.pi * rows)) + 1e-3


def test_recovers_a_strong_dependence_when_the_budget_is_large(entry: GeneratorEntry) -> None:
    """A generator that models pairs must show the planted dependence of cost on stage; the floor must not."""
    books = ledger(PrivacyBudget(20, "1e-6"))
    fitted = entry.load().fit(
        curator(table(4000), books=books), PrivacyBudget(20, "1e-6"), rng=np.random.default_rng(0)
    )
    frame = fitted.sample(4000, rng=np.random.default_rng(1)).to_pandas()
    none = frame["stage"].astype(str) == "none"
    free = pd.to_numeric(frame["cost"]).fillna(-1) == 0
    gap = float(free[none].mean() - free[~none].mean())
    assert gap > 0.9 if entry.name != "independent" else abs(gap) < 0.1


def test_every_generator_has_a_page(entry: GeneratorEntry) -> None:
    page = Path(__file__).parents[2] / "docs" / "generators" / f"{entry.name}.md"
    assert page.is_file()
    text = page.read_text(encoding="utf-8")
    assert "Deviations" in text
    assert entry.source.split(",")[0].split(" ")[0] in text


# -------------------------------------------------------------------------------------------------------------- rules

RULES = """
  constraints:
    - {if: age < 20, then: stage == "none" and not missing(stage)}
    - {if: stage == "none", then: cost == 0}
    - {if: missing(age), then: missing(smoker) and missing(stage)}
    - {if: smoker, then: age >= 20 and not missing(age)}
"""


def schema_with_rules() -> Schema:
    return Schema.from_text(SCHEMA_TEXT.rstrip() + RULES, source="clinic.yaml")


def violations(make: Callable[[], Any], rows: int = 3000) -> int:
    """Return how many sampled rows break a rule, for a table in which one real row in five does."""
    books, rng = ledger(), np.random.default_rng(8)
    data = table(400)
    data["age"] = np.where(rng.random(400) < 0.2, 3, data["age"])
    opened = Curator.open(data, schema_with_rules(), ledger=books, noise=SeededNoise(4))
    fitted = make().fit(opened, BUDGET, rng=np.random.default_rng(0))
    return int(schema_with_rules().constraints.violations(_sampled(fitted, rows)).sum())


def _sampled(fitted: Any, rows: int) -> NDArray[np.integer]:
    """Return the codes of sampled rows, those of a refused table too."""
    rng = np.random.default_rng(1)
    try:
        codes: NDArray[np.integer] = fitted.sample(rows, rng=rng).codes
    except ConstraintBroken:
        columns = [fitted.model.domain.position(name) for name in fitted.schema.domain.names]
        codes = fitted.model.sample(rows, rng)[:, columns]
    return codes


def test_no_synthetic_row_breaks_a_rule(entry: GeneratorEntry) -> None:
    assert violations(entry.load) == 0


@dataclass
class Heedless:
    """Fits as if the schema had no rules."""

    name: str = "heedless"

    def fit(self, curator: MarginalQueries, budget: PrivacyBudget, *, rng: np.random.Generator) -> FittedGraphicalModel:
        with curator.within(budget, purpose="heedless") as session:
            share = session.mu_squared / len(curator.domain)
            answers = [session.measure((name,), share) for name in curator.domain.names]
        model = estimate(curator.domain, as_measurements(curator.schema, answers))
        return FittedGraphicalModel(curator.schema, model, tuple(answers))


def test_a_generator_that_heeds_no_rules_is_caught() -> None:
    assert violations(Heedless) > 100
    fitted = Heedless().fit(
        Curator.open(table(300), schema_with_rules(), ledger=ledger()), BUDGET, rng=np.random.default_rng(0)
    )
    with pytest.raises(ConstraintBroken):
        fitted.sample(3000, rng=np.random.default_rng(1))
