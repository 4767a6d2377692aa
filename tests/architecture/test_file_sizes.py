"""A file holds one noun; a long file usually holds two."""

from __future__ import annotations

from tests.architecture.source_tree import PACKAGE, lines_of_code, modules, shown

LONGEST = 400

ALLOWED: dict[str, str] = {}
"""Longer files, each with the reason why it is one thing."""


def test_no_module_is_longer_than_allowed() -> None:
    lengths = {shown(module): len(module.read_text(encoding="utf-8").splitlines()) for module in modules()}
    too_long = {name: length for name, length in lengths.items() if length > LONGEST and name not in ALLOWED}
    assert too_long == {}


def test_the_allow_list_names_only_files_that_need_it() -> None:
    for name in ALLOWED:
        assert len((PACKAGE.parent / name).read_text(encoding="utf-8").splitlines()) > LONGEST


def test_the_story_of_a_release_is_short() -> None:
    assert lines_of_code(PACKAGE / "release.py") <= 100
