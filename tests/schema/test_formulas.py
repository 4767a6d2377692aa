"""Formulas in text are made inert, and read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.schema.formulas import as_declared, made_inert

DANGEROUS = ["=1+1", "=cmd|' /C calc'!A0", "+cmd", "-cmd", "-", "@SUM(A1)", "\t=1", "\tx", "\rx", "  =1", '"=1',
"'=1", " \" '=1",
             "＝1", "\ufeff=1", "\u00a0=1", "\n=1", "--1", "+1+1", "-1-1", "=", "+inf", "\x00=1"]  # fmt: skip
HARMLESS = ["", "a", "a=1", "1-2", "<=50K", ">50K", "?", "-1", "+1", "-1.5e3", " -2 ", "0-3", "'a", "[0-10)", "N/A"]


@pytest.mark.parametrize("text", DANGEROUS)
def test_formulas_get_an_apostrophe(text: str) -> None:
    assert made_inert(text) == "'" + text


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_and_negative_numbers_stay(text: str) -> None:
    assert made_inert(text) == text


@given(st.one_of(st.text(), st.sampled_from(DANGEROUS), st.text(alphabet="='\"+-@ \t1a")))
def test_inert_text_is_read_back(text: str) -> None:
    assert as_declared(made_inert(text)) == text
    assert made_inert(text)[:1] not in {"=", "@", "\t", "\r"}
