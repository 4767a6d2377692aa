"""The short way of reading finds what the long way finds, takes nothing that is not canonical, and is taken."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.accounting.events import (
    ApproximateDpEvent,
    ComposedDpEvent,
    DiscreteGaussianDpEvent,
    ExponentialDpEvent,
    GaussianDpEvent,
    GdpEvent,
    SelfComposedDpEvent,
)
from dpsynth.errors import InvalidInput
from dpsynth.ledger.chain import canonical_json
from dpsynth.ledger.plain_content import plain_fields
from dpsynth.ledger.statement import ONLY, Charge, EntryKind, Statement
from dpsynth.ledger.statement_reading import said_in

PLAIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters='"\\'), min_size=1, max_size=9)
WORDS = st.one_of(PLAIN, st.text(max_size=9), st.sampled_from(['"', "\\", "]", "},{", '","', "\x7f", "\n", "é"]))
EVENTS = st.one_of(
    st.builds(GaussianDpEvent, st.floats(1e-3, 1e6)),
    st.builds(GdpEvent, st.fractions(0, 10, max_denominator=999)),
    st.builds(ExponentialDpEvent, st.fractions(0, 10, max_denominator=999)),
    st.builds(DiscreteGaussianDpEvent, st.fractions(1, 99, max_denominator=9), st.integers(0, 10**18)),
    st.just(ComposedDpEvent((GdpEvent(Fraction(1, 9)), ApproximateDpEvent(Decimal("0.1"), Decimal("1e-9"))))),
    st.just(SelfComposedDpEvent(GdpEvent(Fraction(1, 9)), 7)),
)
CURVES = st.dictionaries(WORDS, st.just({"1e-5": "0.1", "1e-6": "0.2", "1e-9": "0.3"}), min_size=1, max_size=2)


def contents(words: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return stored contents of all kinds."""

    def stored(statement: Statement) -> str:
        try:
            return canonical_json(statement.content())
        except InvalidInput:
            return "{}"  # a field that this kind has not, or text that is not Unicode

    said = dict.fromkeys(("dataset", "purpose", "unit", "actor"), words)
    optional = {
        "ticket": words | st.just(""),
        "configuration": words | st.just(""),
        "curve": st.none() | CURVES,
        "reservation": st.none() | st.integers(1, 2**53),
        "steps": st.sampled_from([0, 1, 10**6]),
        "charges": st.lists(st.builds(Charge, words, EVENTS), max_size=3).map(tuple),
        "certifiable": st.booleans(),
    }

    def of_kind(kind: EntryKind) -> st.SearchStrategy[Statement]:
        fit = {name: value for name, value in optional.items() if name not in ONLY or kind in ONLY[name]}
        return st.builds(Statement, kind=st.just(kind), **said, **fit)

    return st.sampled_from([kind for kind in EntryKind if kind is not EntryKind.BUDGET]).flatmap(of_kind).map(stored)


def require_the_same(content: str) -> bool:
    """Return whether `content` is plain, after comparing what is found in it."""
    found = plain_fields(content)
    if found is None:
        return False
    read = json.loads(content)
    assert canonical_json(read) == content
    assert found == said_in(read)
    assert plain_fields(content) == found, "a form that was met is read by a pattern of its own"
    later = {"actor", "salt", "software", "software_sha256", "time"}
    assert plain_fields(content, at_once=True) == {name: found[name] for name in found if name not in later}
    return True


@given(contents(WORDS))
@settings(max_examples=60)
def test_both_ways_find_the_same(content: str) -> None:
    require_the_same(content)


@given(contents(PLAIN), st.data())
@settings(max_examples=80)
def test_no_other_spelling_is_plain(content: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(place, min(place + 3, len(content))))
    put = data.draw(st.sampled_from(["", " ", '"', ",", "0", "-", "\\", "]", "}", "e1", ".5", "\n", '"a":1,', "x"]))
    require_the_same(content[:place] + put + content[end:])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"reservation":7', '"reservation":"7"'),
        ('"reservation":7', '"reservation":07'),
        ('"reservation":7', '"reservation":7.0'),
        ('"format":2', '"format":1'),
        ('"certifiable":true', '"certifiable":1'),
        ('"kind":"OPEN"', '"kind":"SHUT"'),
        ('"kind":"OPEN"', '"kind":"VOID"'),  # expires is of an OPEN only
        ('"actor"', '"actor":"nobody","actor"'),
        ('"dataset":"d",', ""),
        ('"purpose":"p"', '"purpose":"\\u0070"'),
    ],
)
def test_what_is_not_an_entry_is_not_plain(before: str, after: str) -> None:
    opened = Statement(
        kind=EntryKind.OPEN, dataset="d", release_id="r", purpose="p", reservation=7, expires="x", unit="u", asked="a"
    )
    content = canonical_json(opened.content())
    assert require_the_same(content)
    assert before in content
    assert not require_the_same(content.replace(before, after))


def test_the_entries_of_a_release_are_plain() -> None:
    charges = (Charge("age, sex", GaussianDpEvent(20.0)), Charge("choice", ExponentialDpEvent(Fraction(1, 7))))
    curve = {"d": {"1e-5": "0.1", "1e-6": "0.2", "1e-9": "0.3"}}
    said = {"dataset": "d", "release_id": "r", "purpose": "fit", "asked": "a", "unit": "u"}
    for statement in (
        Statement(kind=EntryKind.RESERVE, charges=charges[:1], curve=curve, configuration="0" * 64, **said),
        Statement(kind=EntryKind.OPEN, reservation=1, expires="2026-01-01", **said),
        Statement(kind=EntryKind.STEPS, reservation=1, steps=40, fingerprint="f", **said),
        Statement(kind=EntryKind.SETTLE, reservation=1, charges=charges, curve=curve, fingerprint="f", **said),
        Statement(kind=EntryKind.VOID, reservation=1, curve=curve, **said),
        Statement(kind=EntryKind.NOTE, artefact="0" * 64, **said),
    ):
        assert require_the_same(canonical_json(statement.content()))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"epsilon":"1/7","event":"Exponential"', '"event":"Exponential","epsilon":"1/7"'),
        ('"event":"Gaussian","noise_multiplier":"20.0"', '"noise_multiplier":"20.0","event":"Gaussian"'),
        ('"event":"Gaussian","noise_multiplier":"20.0"', '"event":"Gaussian","noise_multiplier":"20"'),
        ('"event":"Gaussian","noise_multiplier":"20.0"', '"event":"Gaussian","event":"Gaussian"'),
        ('"noise_multiplier":"20.0"},', '"noise_multiplier":"20.0","also":"1"},'),
        ('"noise_multiplier":"20.0"', '"noise_multiplier":"2e1"'),
        ('"noise_multiplier":"20.0"', '"noise_multiplier":"nan"'),
        ('"epsilon":"1/7"', '"epsilon":"2/14"'),
        ('"epsilon":"1/7"', '"epsilon":"1/0"'),
        ('"epsilon":"1/7"', '"epsilon":"-1/7"'),
        ('"epsilon":"1/7"', '"epsilon":"1/0_7"'),
        ('},"purpose":"choice"', '},"purpose":"choice","also":"1"'),
        ('"purpose":"choice"', '"purpose":"choice" '),
        ('},{"event":', '}, {"event":'),
    ],
)
def test_what_is_not_a_charge_is_not_plain(before: str, after: str) -> None:
    charges = (Charge("age, sex", GaussianDpEvent(20.0)), Charge("choice", ExponentialDpEvent(Fraction(1, 7))))
    content = canonical_json(Statement(kind=EntryKind.SETTLE, dataset="d", reservation=1, charges=charges).content())
    assert before in content
    assert require_the_same(content.replace(before, before))
    assert plain_fields(content.replace(before, after)) is None
