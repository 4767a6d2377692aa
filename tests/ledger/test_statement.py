"""What an entry says survives the way through JSON, and nothing else is read as an entry."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import (
    ApproximateDpEvent,
    ComposedDpEvent,
    DiscreteGaussianDpEvent,
    ExponentialDpEvent,
    GdpEvent,
    SelfComposedDpEvent,
    ZCDpEvent,
)
from dpsynth.accounting.filter import FilterKind
from dpsynth.errors import DpsynthError, InvalidInput
from dpsynth.ledger.authorship import current_actor, current_time, new_salt
from dpsynth.ledger.chain import canonical_json
from dpsynth.ledger.statement import ONLY, BudgetPolicy, Charge, EntryKind, Signature, Statement
from dpsynth.ledger.statement_reading import statement_from_content

FRACTIONS = st.fractions(min_value=0, max_value=10, max_denominator=10**30)  # events hold nothing finer
SIMPLE = st.one_of(
    st.builds(ZCDpEvent, FRACTIONS),
    st.builds(GdpEvent, FRACTIONS),
    st.builds(ExponentialDpEvent, FRACTIONS),
    st.builds(DiscreteGaussianDpEvent, st.fractions(min_value=Fraction(1, 100), max_value=10**9), st.integers(1, 99)),
    st.builds(ApproximateDpEvent, st.decimals(0, 9, places=9), st.decimals(0, 1, places=12)),
)
EVENTS = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.builds(SelfComposedDpEvent, inner, st.integers(1, 10**6)),
        st.builds(ComposedDpEvent, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=5,
)
WORDS = st.text(max_size=20)
STATEMENTS = st.builds(
    Statement,
    kind=st.sampled_from(EntryKind),
    dataset=WORDS,
    release_id=WORDS,
    purpose=WORDS,
    reservation=st.none() | st.integers(1, 10**6),
    budget=st.just(PrivacyBudget("0.30", "1e-9")),
    filter_kind=st.sampled_from(FilterKind),
    charges=st.lists(st.builds(Charge, WORDS, EVENTS), max_size=3).map(tuple),
    asked=WORDS,
    unit=WORDS,
    certifiable=st.booleans(),
)


def example(version: int = 1) -> dict[str, object]:
    said = Statement(
        kind=EntryKind.RESERVE,
        dataset="patients",
        budget=PrivacyBudget(1, "1e-6"),
        charges=(Charge("count", ApproximateDpEvent(Decimal("0.1"), Decimal(0))),),
        format=version,
        **({"software_sha256": ""} if version == 1 else {}),  # type: ignore[arg-type]
    )
    content: dict[str, object] = json.loads(canonical_json(said.content()))
    return content


@given(STATEMENTS)
@settings(max_examples=40)
def test_there_and_back(said: Statement) -> None:
    spelled = canonical_json(said.content())
    read = statement_from_content(json.loads(spelled))
    assert read == said
    assert canonical_json(read.content()) == spelled


def test_a_budget_that_names_no_filter_keeps_its_old_meaning_and_spelling() -> None:
    content = example()
    assert isinstance(content["budget"], dict)
    del content["budget"]["filter"]
    read = statement_from_content(content)
    assert read.filter_kind is FilterKind.ZERO_CONCENTRATED
    assert read.content() == content
    assert statement_from_content({**content, "budget": None}).budget is None


def test_exact_numbers_are_kept_as_written() -> None:
    content = example()
    assert content["budget"] == {
        "epsilon": "1",
        "delta": "0.000001",
        "event_delta": "0",
        "policy": "adaptive",
        "filter": "gaussian",
    }
    assert content["charges"] == [
        {"purpose": "count", "event": {"event": "ApproximateDp", "epsilon": "0.1", "delta": "0"}}
    ]


def test_several_charges_are_one_composed_event() -> None:
    one = Charge("a", ZCDpEvent(Fraction(1, 2)))
    assert Statement(kind=EntryKind.SETTLE, dataset="d").event is None
    assert Statement(kind=EntryKind.SETTLE, dataset="d", charges=(one,)).event == one.event
    both = Statement(kind=EntryKind.SETTLE, dataset="d", charges=(one, one))
    assert both.event == ComposedDpEvent((one.event, one.event))


@pytest.mark.parametrize("key", sorted(example()))
def test_a_missing_or_extra_field_is_refused(key: str) -> None:
    content = example()
    with pytest.raises(ValueError, match="format"):
        statement_from_content({**content, "also": 1})
    del content[key]
    with pytest.raises(ValueError, match="format"):
        statement_from_content(content)


ALWAYS = {"format", "kind", "dataset", "certifiable", "actor", "time", "software", "software_sha256", "salt"}


def test_format_two_leaves_out_what_is_empty() -> None:
    note = Statement(kind=EntryKind.NOTE, dataset="patients")
    assert set(note.content()) == ALWAYS
    assert set(example(2)) == ALWAYS | {"budget", "charges"}
    assert statement_from_content(note.content()) == note


@pytest.mark.parametrize("key", sorted(ALWAYS))
def test_what_every_entry_of_format_two_says_may_not_be_missing(key: str) -> None:
    content = example(2)
    with pytest.raises(ValueError, match="format"):
        statement_from_content({**content, "also": 1})
    del content[key]
    with pytest.raises(ValueError, match="format"):
        statement_from_content(content)


DIGEST = "0" * 64
NEW_FIELDS = [
    (EntryKind.LINK, {"populations": ("a", "b")}),
    (EntryKind.RESERVE, {"ticket": "T-17", "legal_basis": "a law", "configuration": DIGEST}),
    (EntryKind.SETTLE, {"fingerprint": DIGEST, "curve": {"patients": {"1e-5": "0.5"}}}),
    (EntryKind.NOTE, {"artefact": DIGEST}),
    (EntryKind.OPEN, {"expires": "2026-01-01T00:00:00.000000Z"}),
    (EntryKind.SIGN, {"signatures": (Signature("aa", "bb"),)}),
    (
        EntryKind.EPOCH,
        {"budget": PrivacyBudget(1, 0), "policy": BudgetPolicy.PLAN, "approvers": ("aa",), "purpose": "new people"},
    ),
]


@pytest.mark.parametrize(("kind", "fields"), NEW_FIELDS)
def test_the_fields_of_format_two_belong_to_one_kind_each(kind: EntryKind, fields: dict[str, object]) -> None:
    said = Statement(kind=kind, dataset="patients", **fields)  # type: ignore[arg-type]
    content = json.loads(canonical_json(said.content()))
    assert statement_from_content(content) == said
    for other in set(EntryKind) - {kind}:
        for name in set(fields) & set(ONLY):
            if other not in ONLY[name]:
                with pytest.raises(InvalidInput, match=name):
                    Statement(kind=other, dataset="patients", **{name: fields[name]}).content()  # type: ignore[arg-type]
                with pytest.raises(ValueError, match="format"):
                    statement_from_content({**content, "kind": other.value})
    with pytest.raises(InvalidInput, match="format 1"):
        dataclasses.replace(said, format=1, software_sha256="").content()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", True),
        ("format", 2.0),
        ("kind", 7),
        ("populations", "a"),
        ("populations", [1]),
        ("signatures", [{"key": "aa"}]),
        ("signatures", [{"key": "aa", "value": 1}]),
        ("curve", {"a": "1"}),
        ("curve", {"a": {"1e-5": 1}}),
        ("curve", []),
        ("budget", {"epsilon": "1", "delta": "0", "event_delta": "0", "policy": "adaptive", "approvers": "aa"}),
        ("ticket", 7),
    ],
)
def test_a_field_of_format_two_of_another_form_is_refused(key: str, value: object) -> None:
    kinds = ONLY.get(key, {EntryKind.BUDGET})
    for kind in kinds:
        content = Statement(kind=kind, dataset="patients").content()
        with pytest.raises((ValueError, DpsynthError)):
            statement_from_content({**content, key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 3),
        ("kind", "LINK"),
        ("budget", {"epsilon": "1", "delta": "0", "event_delta": "0", "policy": "plan"}),
        ("budget", {"epsilon": "1", "delta": "0", "event_delta": "0", "policy": "adaptive", "approvers": []}),
        ("kind", "REFUND"),
        ("dataset", 7),
        ("reservation", "1"),
        ("reservation", True),
        ("reservation", 1.0),
        ("certifiable", 1),
        ("budget", {"epsilon": "1", "delta": "0"}),
        ("budget", {"epsilon": "1", "delta": "0", "event_delta": "0", "policy": "generous"}),
        ("budget", {"epsilon": "nan", "delta": "0", "event_delta": "0", "policy": "adaptive"}),
        ("budget", {"epsilon": "1", "delta": "0", "event_delta": "-1", "policy": "adaptive"}),
        ("budget", {"epsilon": 1, "delta": "0", "event_delta": "0", "policy": "adaptive"}),
        ("budget", {"epsilon": "1", "delta": "0", "event_delta": "0", "policy": "adaptive", "filter": "newest"}),
        ("budget", {"epsilon": "1", "delta": "0", "event_delta": "0", "policy": "adaptive", "also": "gaussian"}),
        ("charges", {}),
        ("charges", ["count"]),
        ("charges", [{"purpose": "count", "event": {"event": "Free"}}]),
        ("charges", [{"purpose": "count", "event": {"event": "ZCDp", "rho": "a lot"}}]),
    ],
)
def test_a_field_of_another_form_is_refused(key: str, value: object) -> None:
    with pytest.raises((ValueError, DpsynthError)):
        statement_from_content({**example(), key: value})


def test_content_that_is_no_object_is_refused() -> None:
    for content in (None, [], "text", 3):
        with pytest.raises(ValueError, match="format"):
            statement_from_content(content)


def test_the_writer_is_named_and_entries_are_salted(monkeypatch: pytest.MonkeyPatch) -> None:
    actor = current_actor()
    monkeypatch.setenv("LOGNAME", "somebody-else")
    monkeypatch.setenv("USER", "somebody-else")
    assert current_actor() == actor != "somebody-else"
    assert current_time().endswith("Z")
    assert new_salt() != new_salt()
