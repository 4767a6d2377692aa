"""Steps between versions of the store: what they make, and that they leave entries alone."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from dpsynth.errors import LedgerUnavailable
from dpsynth.ledger import Ledger, migrations, postgres_schema, sqlite_schema, sqlite_store
from dpsynth.ledger.store import make_store, open_store
from tests.ledger.places import Place
from tests.ledger.requests_for_tests import DATASET, spend

LATER = """
from alembic import op
from sqlalchemy import Column, Integer
revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None

def upgrade():
    bind = op.get_bind()
    schema = None if bind.dialect.name == "sqlite" else "dpsynth_ledger"
    op.create_table("mark", Column("id", Integer), schema=schema)
"""


def shape_of(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    return set(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall())


def test_the_steps_lead_from_nothing_to_what_a_new_file_holds(tmp_path: Path) -> None:
    make_store(tmp_path / "new.db")
    engine = create_engine(f"sqlite:///{tmp_path / 'stepwise.db'}")
    with engine.begin() as connection:
        migrations.upgrade(connection, 0)
    engine.dispose()
    with (
        closing(sqlite3.connect(tmp_path / "new.db")) as new,
        closing(sqlite3.connect(tmp_path / "stepwise.db")) as made,
    ):
        assert shape_of(new) == shape_of(made)


def test_a_file_of_this_version_is_opened_without_a_changed_byte_and_without_alembic(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger(path) as ledger:
        ledger.note(DATASET, "here")
    before = path.read_bytes()
    Ledger(path, create=False).close()
    assert path.read_bytes() == before
    asked = (
        f"import sys; from dpsynth.ledger import Ledger; Ledger({str(path)!r}).close(); print('alembic' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert answer.stdout.strip() == "False"


@pytest.fixture
def two_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pretend that this package knows a second version."""
    steps = tmp_path / "steps"
    shutil.copytree(migrations.STEPS / "versions", steps / "versions")
    (steps / "versions" / "v0002_later.py").write_text(LATER, encoding="utf-8")

    def upgrade(connection: object, version: int) -> None:
        migrations.upgrade(connection, version, steps)  # type: ignore[arg-type]

    for module in (sqlite_store, postgres_schema):
        monkeypatch.setattr(module, "upgrade", upgrade)
    for module in (sqlite_store, sqlite_schema, postgres_schema):
        monkeypatch.setattr(module, "STORE_VERSION", 2)
    return steps


def test_a_step_leaves_every_entry_as_it_was(place: Place, request: pytest.FixtureRequest) -> None:
    with Ledger(place.url, create=False) as ledger:
        ledger.set_budget(DATASET, *_budget())
        spend(ledger, "0.4")
        head = ledger.head()
    store = open_store(place.url, create=False)
    before = store.rows(1)
    store.close()
    request.getfixturevalue("two_steps")
    make_store(getattr(place, "owner_url", place.url))
    store = open_store(place.url, create=False)
    assert store.rows(1) == before
    store.close()
    with Ledger(place.url, create=False) as ledger:
        assert ledger.verify() == head
        spend(ledger, "0.1", release_id="r2")
    make_store(getattr(place, "owner_url", place.url))


def test_an_upgraded_store_is_refused_by_the_version_before(
    place: Place, two_steps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_store(getattr(place, "owner_url", place.url))
    Ledger(place.url, create=False).close()
    for module in (sqlite_store, sqlite_schema, postgres_schema):
        monkeypatch.setattr(module, "STORE_VERSION", 1)
    with pytest.raises(LedgerUnavailable, match="later version of dpsynth"):
        Ledger(place.url, create=False)


def test_every_step_has_a_number_and_the_newest_is_the_version() -> None:
    numbers = sorted(int(path.name[1:5]) for path in (migrations.STEPS / "versions").glob("v*.py"))
    assert numbers == list(range(1, migrations.STORE_VERSION + 1))


def test_no_step_speaks_of_changing_rows() -> None:
    for path in (migrations.STEPS / "versions").glob("v*.py"):
        text = path.read_text(encoding="utf-8").upper()
        for word in ("UPDATE ENTRY", "UPDATE DPSYNTH_LEDGER.ENTRY", "DELETE FROM", "INSERT INTO ENTRY", "BULK_INSERT"):
            assert word not in text, path.name


def _budget() -> tuple[object, str]:
    from dpsynth.accounting.budget import PrivacyBudget

    return PrivacyBudget(1, 0), "one row"
