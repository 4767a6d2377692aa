"""From a URL to a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpsynth.errors import InvalidInput
from dpsynth.ledger import Ledger


@pytest.mark.parametrize("form", ["sqlite:///{path}", "{path}"])
def test_paths_and_urls_name_the_same_ledger(tmp_path: Path, form: str) -> None:
    path = tmp_path / "my ledger%20?.db" if form == "{path}" else tmp_path / "my ledger.db"
    with Ledger(form.format(path=path)):
        assert path.is_file()
    with Ledger(path, create=False) as again:
        assert str(path) in repr(again)


def test_a_relative_path_stays_the_same_ledger_when_the_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Ledger("sqlite:///ledger.db") as ledger:
        monkeypatch.chdir("/")
        ledger.note("patients", "still here")
        assert ledger.head().index == 1
    assert (tmp_path / "ledger.db").is_file()


def test_a_link_leads_to_the_ledger(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.note("patients", "here")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link.db").symlink_to(tmp_path / "ledger.db")
    with Ledger(tmp_path / "elsewhere" / "link.db") as linked:
        assert linked.head().index == 1
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["link.db"]


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", ":memory:"])
def test_memory(url: str) -> None:
    with Ledger(url) as ledger:
        assert not ledger.durable
        assert "memory" in repr(ledger)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://host", "names a database"),
        ("postgres+psycopg://host/ledger", "cannot be kept on 'postgres\\+psycopg'"),
        ("mysql://host/ledger", "cannot be kept on 'mysql'"),
        ("https://host/ledger", "cannot be kept on 'https'"),
        ("sqlite:ledger.db", "not the URL of a ledger"),
        ("file:ledger.db", "not the URL of a ledger"),
        ("sqlite://ledger.db", "not the URL of a ledger"),
        ("sqlite:///", "not the URL of a ledger"),
        ("sqlite:///ledger.db?mode=memory", "not the URL of a ledger"),
        ("", "needs a URL"),
        ("  ", "needs a URL"),
        ("a\0b", "needs a URL"),
    ],
)
def test_other_urls_are_refused_in_words(url: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        Ledger(url)
