"""No file of the project names a folder of one machine or the host of a package registry."""

from __future__ import annotations

import re

import pytest

from tests.architecture.source_tree import project_files, shown

# Put together from parts, so that this file passes its own scan.
FOLDER = re.compile(r"(?<![\w.])/(?:" + "|".join(("work", "root", "tmp", "home", "Users", "opt")) + r")/\w")
HOST = re.compile(
    r"\b(?:" + "|".join(("pypi", "pythonhosted", "pytorch", "anaconda")) + r")\.(?:org|com)\b", re.IGNORECASE
)
BINARY = {".npz", ".parquet", ".png", ".gz"}


def findings(text: str) -> list[str]:
    return [
        f"line {number}: {line.strip()[:100]}"
        for number, line in enumerate(text.splitlines(), start=1)
        if FOLDER.search(line) or HOST.search(line)
    ]


def test_no_file_names_one_machine() -> None:
    found = {
        shown(path): lines
        for path in project_files()
        if path.suffix not in BINARY and (lines := findings(path.read_text(encoding="utf-8", errors="replace")))
    }
    assert found == {}


@pytest.mark.parametrize("planted", ["x = '/" + "home/someone/data.csv'", "index: https://py" + "pi.org/simple"])
def test_a_planted_place_is_found(planted: str) -> None:
    assert findings(planted)
