from __future__ import annotations

import pytest

from dpsynth.accounting.events import event_to_json
from dpsynth.certification.document import ChargeSection, UtilitySection
from dpsynth.report.wording import (
    canary_story,
    charge_groups,
    one_in,
    percent,
    plain_number,
    promise,
    unmeasured_pairs,
)
from tests.certification.made_releases import EVENTS, honest_release


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.0 %"), (1e-6, "< 0.1 %"), (0.0004, "< 0.1 %"), (0.05, "5.0 %"), (0.9999, "> 99.9 %"), (1, "100.0 %")],
)
def test_a_percentage_is_never_rounded_to_certainty(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(("exact", "text"), [("1", "1"), ("0.50", "0.5"), ("0.000001", "1e-6"), ("0.001", "0.001")])
def test_exact_numbers_are_written_short(exact: str, text: str) -> None:
    assert plain_number(exact) == text


@pytest.mark.parametrize(
    ("probability", "text"), [("0.000001", "1 in 1,000,000"), ("1e-5", "1 in 100,000"), ("0", "0")]
)
def test_small_probabilities_are_written_as_one_in(probability: str, text: str) -> None:
    assert one_in(probability) == text


def test_charges_are_grouped_by_kind() -> None:
    charges = [ChargeSection(purpose=purpose, event=event_to_json(event)) for purpose, event in EVENTS]
    measured, chosen = charge_groups(charges, examples=2)
    assert (measured.kind, measured.count, measured.more) == ("counts with Gaussian noise", 3, 1)
    assert measured.examples == ("measure age", "measure region")
    assert (chosen.count, chosen.examples, chosen.more) == (1, ("choose a pair",), 0)


def test_the_promise_names_unit_factor_and_probability() -> None:
    text = " ".join(promise(honest_release(rows=300).certificate.document))
    assert "one row" in text
    assert "2.72 times" in text
    assert "1 in 1,000,000" in text


def test_the_story_of_the_canaries_never_confirms_the_claim() -> None:
    text = " ".join(canary_story(honest_release(rows=300).certificate.document))
    assert "400 invented rows" in text
    assert "can never confirm it" in text
    assert "No person's row was used" in text


def counted(*columns: str) -> UtilitySection:
    return UtilitySection(columns=columns, cells=4, total_variation=0.1, noise_stddev=3.0, explained_by_noise=0.1)


def test_pairs_that_no_table_of_counts_holds_together_are_named() -> None:
    singles = [counted(name) for name in "abcd"]
    sentence = unmeasured_pairs([*singles, counted("b", "a"), counted("a", "c", "d")])
    assert sentence.startswith("Of 6 pairs of columns 2 were not measured.")
    assert sentence.endswith(": b with c; b with d.")
    assert unmeasured_pairs([counted("a"), counted("b"), counted("a", "b")]) == ""
    assert unmeasured_pairs([]) == ""


def test_a_long_list_of_unmeasured_pairs_is_cut() -> None:
    sentence = unmeasured_pairs([counted(name) for name in "abcdef"])
    assert "15 were not measured" in sentence
    assert sentence.count(" with ") == 10
    assert sentence.endswith("; and others.")
