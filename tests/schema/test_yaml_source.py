"""YAML and JSON are read as the texts that stand in them, and hostile files are refused with a place."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.schema.yaml_source import read_yaml
from dpsynth.schema.yaml_text import yaml_text


def test_scalars_keep_their_source_text() -> None:
    source = read_yaml(
        "a: [no, NO, off, 1_000, 0o7, 010, 1e3, 2001-01-01, 12:30:45, null, ~, 'yes', 0x1F, .inf, <<, =]"
    )
    assert source.problems == []
    assert source.tree == {
        "a": [
            "no",
            "NO",
            "off",
            "1_000",
            "0o7",
            "010",
            "1e3",
            "2001-01-01",
            "12:30:45",
            "null",
            "~",
            "yes",
            "0x1F",
            ".inf",
            "<<",
            "=",
        ]
    }


def test_every_key_and_value_has_its_place() -> None:
    source = read_yaml("a: 1\nb:\n  - x\n  - c: y\n")
    assert source.value_places[("a",)] == (1, 4)
    assert source.key_places[("b",)] == (2, 1)
    assert source.value_places[("b", 1, "c")] == (4, 8)
    assert str(source.problem(("b", 1, "c", "d"), "is wrong")) == "line 4, column 8: b[1].c.d: is wrong"


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("a: [1,\n", "expected the node content", (2, 1)),
        ("a: b: c", "mapping values are not allowed here", (1, 5)),
        ("--- {a: 1}\n--- {b: 1}", "found another document", (2, 1)),
        ("- a", "must be a mapping", (1, 1)),
        ("", "must be a mapping", (1, 1)),
        ("# nothing", "must be a mapping", (1, 1)),
        ("a: 1\nb: 2\na: 3", "given twice", (3, 1)),
        ("a: {x: 1, x: 2}", "given twice", (1, 11)),
        ("a: !!python/object/apply:os.system [ls]", "tags", (1, 4)),
        ("a: !secret x", "tags", (1, 4)),
        ("? [a]\n: 1", "a key must be a plain word", (1, 3)),
        ("a:\n", "no value", (1, 3)),
        ("a: ~", "no value", (1, 4)),
        ('a: "\\ud800"', "Unicode", (1, 4)),
        ("a: &x [*x]", "nested too deeply", (1, 4)),
        ("a: \x01", "does not allow", (0, 0)),
        ("a: " + "[" * 500, "nested too deeply", (0, 0)),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(text: str, message: str, place: tuple[int, int]) -> None:
    problems = read_yaml(text).problems
    assert any(message in problem.message and (problem.line, problem.column) == place for problem in problems), problems


def test_a_file_that_unfolds_without_end_is_refused() -> None:
    layers = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    layers += [f"a{depth}: &a{depth} [{', '.join([f'*a{depth - 1}'] * 10)}]" for depth in range(1, 10)]
    problems = read_yaml("\n".join(layers)).problems
    assert any("too many values" in problem.message for problem in problems)
    assert len(problems) == 1


def test_blanks_are_found_in_values_and_lists_and_left_out() -> None:
    source = read_yaml("a: FILL_IN\nb: [1, FILL_IN, ' FILL_IN ']\nc: {d: FILL_IN, e: 1}\n")
    assert source.blanks == [("a",), ("b", 1), ("b", 2), ("c", "d")]
    assert source.tree == {"c": {"e": "1"}}


def test_json_is_read_with_tabs_and_escapes() -> None:
    document = {"a": ["ä", "\U0001f600", 'quote " and \\ and / and tab \t'], "b": {"c": 1.5, "d": True}}
    for text in (
        json.dumps(document),
        json.dumps(document, indent="\t"),
        json.dumps(document, indent=2, ensure_ascii=False),
    ):
        source = read_yaml(text)
        assert source.problems == []
        assert source.tree == {"a": document["a"], "b": {"c": "1.5", "d": "true"}}
    assert read_yaml('{"a": "x\\/y"}').tree == {"a": "x/y"}


TRAPS = st.sampled_from(["no", "NO", "y", "n", "1_000", "010", "0o7", "null", "~", "1e3", "2001-01-01", "12:30",
"", " ", "- a", "a: b",
                         "#", "'", '"', "\u2028", "\x85", "\x07", "&a", "*a", "!t", "%", "@", "`", "{", "[",
                         "|", ">", "=", "<<", "\n", "a\n"])  # fmt: skip
values = st.one_of(TRAPS, st.text(st.characters(exclude_categories=["Cs"])))


@given(st.lists(values, min_size=1, max_size=4), values)
def test_written_text_is_read_as_it_was(listed: list[str], single: str) -> None:
    written = yaml_text({"listed": listed, "single": single, "minimum": single})
    source = read_yaml(written)
    assert source.problems == []
    if "FILL_IN" not in written:
        assert source.tree == {"listed": listed, "single": single, "minimum": single}
