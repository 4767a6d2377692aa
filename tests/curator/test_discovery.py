"""Private categories: what is found, what never is, what it costs, and when it is refused."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dpsynth.accounting.agreement import cross_check
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import ApproximateDpEvent, ComposedDpEvent
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.certification.facts import attempts_among
from dpsynth.curator import Curator
from dpsynth.curator._sealed import unseal
from dpsynth.curator.discovery import PURPOSE, Discovery, discover_categories
from dpsynth.curator.fingerprint import load_or_create_fingerprint_key
from dpsynth.curator.ingest import read_categories, source_of
from dpsynth.errors import BudgetExceeded, InvalidInput, LedgerError, SchemaError, TableError
from dpsynth.generators.registry import generator
from dpsynth.ledger import EntryKind, Ledger
from dpsynth.randomness import SeededNoise
from dpsynth.schema.schema import Schema

BUDGET = PrivacyBudget("0.5", "1e-6")
PLANTED = "Zebulon-Quartzmeier"

ROWS = Schema.from_text("""
name: shops
fields:
  - {name: city, type: string, dpsynth: {categories: private}}
  - {name: shop, type: string, dpsynth: {categories: private}}
  - {name: side, type: string, categories: [north, south]}
dpsynth: {unit: {kind: row}, public_rows: 4000}
""")

PEOPLE = Schema.from_text("""
name: shops
fields:
  - {name: city, type: string, dpsynth: {categories: private}}
dpsynth: {unit: {id_column: person, max_rows_per_unit: 3}, public_rows: 1000}
""")


def table() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    weight = 1 / np.arange(1, 201)
    city = np.array([f"city {place}" for place in range(200)], dtype=object)[
        rng.choice(200, 4000, p=weight / weight.sum())
    ]
    city[7] = PLANTED
    shop = np.array(["=cmd|'x'!A0", "Anna's", "NA"])[rng.integers(0, 3, 4000)]
    return pd.DataFrame({"city": city, "shop": shop, "side": rng.choice(["north", "south"], 4000)})


def books(event_delta: str = "1e-6", epsilon: str = "2") -> Ledger:
    ledger = Ledger("sqlite://")
    ledger.set_budget("shops", PrivacyBudget(epsilon, "3e-6"), event_delta=event_delta)
    return ledger


def found(ledger: Ledger, seed: int | None = None) -> Discovery:
    noise = None if seed is None else SeededNoise(seed)
    return discover_categories(table(), ROWS, BUDGET, ledger=ledger, noise=noise)


def test_common_categories_are_found_and_what_one_person_has_is_not() -> None:
    made = found(books())
    cities = dict(made.categories["city"])
    assert {f"city {place}" for place in range(5)} <= set(cities)
    assert PLANTED not in cities
    assert abs(cities["city 0"] - (table()["city"] == "city 0").sum()) < 200
    assert {text for text, _ in made.categories["shop"]} == {"=cmd|'x'!A0", "Anna's", "NA"}
    made.schema.require_complete()
    assert made.schema.column("city").labels[: len(cities)] == tuple(cities)
    assert made.certifiable
    assert not found(books(), seed=1).certifiable


def test_the_completed_schema_is_synthesised_and_what_was_not_found_comes_out_as_other(tmp_path: Path) -> None:
    ledger = books()
    made = found(ledger)
    claim = PrivacyBudget("0.5", "1e-6")
    model = generator("mst").fit(Curator.open(table(), made.schema, ledger=ledger), claim, rng=np.random.default_rng(0))
    synthetic = model.sample(2000, rng=np.random.default_rng(1))
    cities = synthetic.to_pandas()["city"].dropna().astype(str)
    assert set(cities) <= {*dict(made.categories["city"]), "other"}
    assert (cities == "other").sum() > 50
    synthetic.write(tmp_path / "shops.csv")
    assert "'=cmd" in (tmp_path / "shops.csv").read_text(encoding="utf-8"), "no formula leaves as one"
    ledger.verify()


def test_the_ledger_books_the_noise_and_the_delta_of_every_column() -> None:
    ledger = books()
    made = found(ledger)
    reserve, opened, settle = ledger.entries("shops")[-3:]
    assert (reserve.purpose, reserve.release_id) == (PURPOSE, made.release_id)
    assert opened.kind is EntryKind.OPEN
    assert [charge.purpose for charge in settle.charges] == ["name values of city", "name values of shop"]
    for charge in settle.charges:
        assert isinstance(charge.event, ComposedDpEvent)
        assert isinstance(charge.event.events[1], ApproximateDpEvent)
    spent = ledger.spent("shops")
    assert 0 < spent.delta <= Fraction(BUDGET.delta) / 2
    assert spent.mu_squared is not None
    most = mu_squared_from_budget(PrivacyBudget(BUDGET.epsilon, BUDGET.delta / 2))
    assert Fraction(98, 100) * most <= spent.mu_squared <= most
    whole = ComposedDpEvent(tuple(charge.event for charge in settle.charges))
    assert cross_check(whole, BUDGET).pld_epsilon <= BUDGET.epsilon
    ledger.verify()


def test_it_is_no_attempt_at_a_release() -> None:
    ledger = books()
    found(ledger)
    assert attempts_among(ledger.entries("shops")) == ()


def test_a_budget_without_event_delta_is_refused_with_advice_before_anything_is_read() -> None:
    ledger = books(event_delta="0")
    before = ledger.head()
    with pytest.raises(LedgerError, match="--event-delta"):
        found(ledger)
    assert ledger.head() == before


@pytest.mark.parametrize(("event_delta", "epsilon"), [("4e-7", "2"), ("1e-6", "0.4")])
def test_what_does_not_fit_is_refused_before_anything_is_read(event_delta: str, epsilon: str) -> None:
    ledger = books(event_delta, epsilon)
    before = ledger.head()
    with pytest.raises(BudgetExceeded):
        found(ledger)
    assert ledger.head() == before


def test_requests_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InvalidInput, match="nothing to find"):
        discover_categories(table(), found(books()).schema, BUDGET, ledger=books())
    with pytest.raises(InvalidInput, match="too small"):
        discover_categories(table(), ROWS, PrivacyBudget("0.001", "1e-9"), ledger=books())
    with pytest.raises(SchemaError, match="dpsynth discover"):
        Curator.open(table(), ROWS, ledger=books())


def test_rows_that_cannot_be_read_cost_everything(tmp_path: Path) -> None:
    ledger = books()
    data = tmp_path / "shops.parquet"
    table().to_parquet(data)
    content = bytearray(data.read_bytes())
    content[100:5000] = b"\x00" * 4900
    data.write_bytes(content)
    with pytest.raises(TableError):
        discover_categories(data, ROWS, BUDGET, ledger=ledger)
    assert ledger.spent("shops").delta == Fraction(BUDGET.delta) / 2


def counted(data: pd.DataFrame, schema: Schema = PEOPLE, seed: int = 1) -> dict[str, int]:
    ledger = books()
    event = ApproximateDpEvent(Decimal(0), Decimal("1e-9"))
    reservation = ledger.reserve(
        "shops", release_id="r", purpose="p", event=event, asked="a", unit=schema.unit.describe(), certifiable=False
    )
    sealed, _ = read_categories(source_of(data, schema), schema, ledger.open(reservation), noise=SeededNoise(seed))
    return unseal(sealed["city"])


def test_a_unit_counts_once_in_each_of_at_most_so_many_categories() -> None:
    data = pd.DataFrame(
        {"person": ["p"] * 50 + ["q"] * 2, "city": [f"city {place}" for place in range(50)] + ["x", "x"]}
    )
    counts = counted(data)
    assert counts.pop("x") == 1
    assert set(counts.values()) == {1}
    assert len(counts) == 3
    assert set(counted(data, seed=1)) != set(counted(data, seed=2)), "which rows are kept is drawn by lot"


@pytest.mark.parametrize("seed", range(5))
def test_one_unit_more_moves_counts_by_no_more_than_the_sensitivity(seed: int) -> None:
    rng = np.random.default_rng(seed)
    others = pd.DataFrame({"person": [f"p{place}" for place in range(40)], "city": rng.choice(list("abcde"), 40)})
    mine = pd.DataFrame({"person": ["me"] * 20, "city": rng.choice(list("abcdefgh"), 20)})
    before, after = counted(others), counted(pd.concat([others, mine]))
    moved = [abs(after.get(city, 0) - before.get(city, 0)) for city in {*before, *after}]
    assert sum(moved) <= 3
    assert max(moved) <= 1
    assert all(count == 1 for city, count in after.items() if city not in before)


def test_rows_without_an_id_and_cells_without_a_category_do_not_count() -> None:
    data = pd.DataFrame({"person": ["p", None, "q"], "city": ["a", "b", None]})
    assert counted(data) == {"a": 1}
    assert counted(data.iloc[:0]) == {}


def test_the_ledger_keeps_a_fingerprint_of_what_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPSYNTH_HOME", str(tmp_path / "home"))
    key, data = load_or_create_fingerprint_key(), table()
    renamed = data.assign(city=data["city"].str.replace("city 0", "another city"))
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.set_budget("shops", PrivacyBudget(3, "1e-5"), event_delta="5e-6")
        for rows in (data, data, renamed, data[:-1]):
            discover_categories(rows, ROWS, BUDGET, ledger=ledger)
        settled = [entry for entry in ledger.entries() if entry.kind is EntryKind.SETTLE]
        reserved = [ledger.entries()[(entry.reservation or 0) - 1].digest for entry in settled]
    assert len({entry.fingerprint for entry in settled}) == 4  # nobody without the key sees which are equal
    same, again, *others = [
        key.unmasked(entry.fingerprint, digest) for entry, digest in zip(settled, reserved, strict=True)
    ]
    assert same == again
    assert len({same, *others}) == 3
