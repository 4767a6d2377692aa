"""Columns of every kind and option, and cells of every sort, for the laws of the codec."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from dpsynth.schema.columns import Column
from dpsynth.schema.schema import Schema

FIELDS = """
- name: city
  type: string
  categories: [Bonn, 'São Paulo', no, '3', '-', '=1+1', '007', ' x ']
  missingValues: ['?', '-9', '']
- {name: city_required, type: string, categories: [a, b], constraints: {required: true}}
- {name: city_missing, type: string, categories: [a, b], dpsynth: {outside: missing}}
- {name: city_labelled, type: string, categories: [a, other], dpsynth: {outside_label: elsewhere}}
- {name: stage, type: string, categories: [I, II, III], categoriesOrdered: true}
- {name: sex, type: integer, categories: [{value: 1, label: male}, {value: 2, label: female}]}
- {name: sex_slot, type: integer, categories: [1, 2], constraints: {required: true}}
- {name: dose, type: number, categories: [0, 0.5, 1.25], categoriesOrdered: true}
- {name: day_name, type: string, categories: ['2020-01-31', '2020-02-01 12:00:00', 'True', 'false']}
- {name: age, type: integer, constraints: {minimum: 0, maximum: 120}, dpsynth: {bins: 20}}
- {name: age_single, type: integer, constraints: {minimum: 0, maximum: 9}}
- {name: age_slot, type: integer, constraints: {minimum: 0, maximum: 120}, dpsynth: {bins: 7, outside: slot}}
- {name: age_missing, type: integer, constraints: {minimum: 0, maximum: 120}, dpsynth: {bins: 7, outside: missing}}
- {name: age_required, type: integer, constraints: {minimum: 0, maximum: 120, required: true}, dpsynth: {bins: 7}}
- {name: gain, type: integer, dpsynth: {bins: [0, 10, 100, 1000], spikes: [0, 50, 1000, -9]}, missingValues: ['-1']}
- {name: huge, type: integer, constraints: {minimum: -9007199254740991, maximum: 9007199254740991}}
- {name: share, type: number, constraints: {minimum: 0, maximum: 1}, dpsynth: {bins: 10, spikes: [0, 1, 0.25]}}
- {name: price, type: number, dpsynth: {bins: [-5, 0.1, 0.3, 1e6], decimals: 2}}
- {name: wide, type: number, constraints: {minimum: -1e300, maximum: 1e300}, dpsynth: {bins: 3, spikes: [0]}}
- {name: one, type: number, constraints: {minimum: 2.5, maximum: 2.5}}
- {name: price_slot, type: number, constraints: {minimum: 0, maximum: 1, required: true}, dpsynth: {outside: slot}}
- {name: quantiles, type: integer, constraints: {minimum: 0, maximum: 99999}, dpsynth: {bins: private-quantiles 32}}
- name: tree
  type: number
  constraints: {minimum: -5, maximum: 5}
  dpsynth: {bins: private-tree, cells: 50, spikes: [0]}
- {name: heaped, type: integer, dpsynth: {bins: [0, 18, 65, 100], spread: private-histogram, spikes: [40, 999]}}
- {name: born_tree, type: date, constraints: {minimum: 1900-01-01, maximum: 2025-12-31}, dpsynth: {bins: private-tree}}
- {name: rare, type: string, categories: [a, b, c], dpsynth: {rare: merge}}
- {name: smoker, type: boolean}
- {name: smoker_words, type: boolean, trueValues: [yes, Y], falseValues: [no, N], constraints: {required: true}}
- {name: smoker_slot, type: boolean, trueValues: ['1'], falseValues: ['0'], dpsynth: {outside: slot}}
- {name: smoker_odd, type: boolean, trueValues: ['0'], falseValues: ['1']}
- {name: born, type: date, constraints: {minimum: 1900-01-01, maximum: 2025-12-31}, dpsynth: {bins: 12}}
- name: born_german
  type: date
  format: '%d.%m.%Y'
  constraints: {minimum: 1900-01-01, maximum: 31.12.2025}
  dpsynth: {bins: 5, spikes: [1900-01-01]}
- {name: born_digits, type: date, format: '%Y%m%d', dpsynth: {bins: [20000101, 20100101, 20200101], outside: slot}}
- {name: seen, type: datetime, constraints: {minimum: 2020-01-01, maximum: '2020-12-31T23:59:59'}}
- name: seen_minutes
  type: datetime
  format: '%Y-%m-%d %H:%M'
  constraints: {minimum: 2020-01-01, maximum: 2021-01-01, required: true}
- {name: seen_ancient, type: date, constraints: {minimum: 0001-01-01, maximum: 9999-12-31}}
"""

SCHEMA = Schema.from_text("name: trial\ndpsynth: {unit: {kind: row}}\nfields:\n" + FIELDS)

COLUMNS: tuple[Column, ...] = SCHEMA.columns

columns = st.sampled_from(COLUMNS)


class Hostile:
    """An object that refuses everything one may ask of it."""

    __hash__ = None  # type: ignore[assignment]

    def _refuse(self, *anything: object) -> object:
        raise RuntimeError("CANARY")

    __eq__ = __str__ = __repr__ = __float__ = __int__ = __bool__ = __len__ = __iter__ = _refuse  # type: ignore[assignment]
    __getattr__ = _refuse


class HostileText(str):
    """Text that does not want to be compared."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("CANARY")

    def __hash__(self) -> int:
        raise RuntimeError("CANARY")


STRANGE_CELLS: list[object] = [
    None, "", " ", "\t", "?", float("nan"), float("inf"), -float("inf"), np.float64("nan"), np.float32(0.1),
    np.float16(2),
    np.longdouble(1) / 3, pd.NA, pd.NaT, np.datetime64("NaT"), np.timedelta64("NaT"), np.timedelta64(3, "D"),
    dt.timedelta(3),
    True, False, np.True_, np.int8(3), np.uint64(2**64 - 1), 10**400, -(10**400), 2**53 + 1, "1e999", "-1e999",
    "9" * 10_000,
    "x" * 10_000, "1" * 5000 + "x", "\ud800", "\udcff", b"3", b"\xff\xfe", np.bytes_(b"a"), np.str_("a"),
    "=cmd|' /C calc'!A0",
    "'=1+1", "＝1+1", "@x", "inf", "nan", "NaN", "None", "1_000", "0x10", "٣", "+3", "3.", ".5", "3e0", " 3 ",
    "3.0", "03", "-0",
    Decimal("3.0"), Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Fraction(7, 2), Fraction(10**400),
    3 + 0j, 3 + 1j,
    complex("nan"), dt.date(2020, 1, 31), dt.date.min, dt.date.max, dt.datetime(2020, 1, 31, 12), dt.datetime.min,
    dt.datetime(2020, 1, 31, 23, tzinfo=dt.timezone(dt.timedelta(hours=-5))), dt.datetime.max.replace(tzinfo=dt.UTC),
    dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=5))), dt.time(3), np.datetime64("2020-01-31"),
    np.datetime64(10**17, "Y"), np.datetime64("2020-01-31T12:34:56.789"), pd.Timestamp("2020-01-31"),
    pd.Timestamp("2020-01-31", tz="Asia/Tokyo"), pd.Timedelta(days=1), pd.Period("2020-01"), pd.Interval(0, 1),
    [1], {"a": [1]},
    {1}, (3,), np.array([1, 2]), np.array(3), np.void(b"x"), object(), Hostile(), HostileText("a"), int, len, range(3),
    "2020-01-31", "20200131", "31.01.2020", "2020-01-31T00:00:00Z", "2020-01-31 10:30", "2020-13-45", 20200131,
    20200131.0,
    memoryview(b"a"), Ellipsis, "1900-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
]  # fmt: skip

ORDINARY_CELLS: list[object] = [
    "Bonn", "no", "a", "b", "I", "III", "1", "2", 1, 2, 3, 1.0, 2.5, 0, 0.5, "0.5", 50, "50", 1000, "true",
    "false", "yes", "N",
    "3", 3.0, 3.5, "2020-06-01", "01.06.2020", "20150601", dt.date(2020, 6, 1), pd.Timestamp("2020-06-01"), -9,
    "-9", 120, 121,
]  # fmt: skip

cells = st.one_of(
    st.integers(0, len(STRANGE_CELLS) - 1).map(lambda place: STRANGE_CELLS[place]),  # never shown, never compared
    st.sampled_from(ORDINARY_CELLS),
    st.text(max_size=12),
    st.integers(),
    st.floats(),
    st.decimals(allow_nan=True),
    st.fractions(),
    st.complex_numbers(),
    st.binary(max_size=6),
    st.booleans(),
    st.datetimes(),
    st.dates(),
    st.lists(st.integers(), max_size=2),
)
"""Any cell."""

texts = st.one_of(
    st.sampled_from([cell for cell in STRANGE_CELLS + ORDINARY_CELLS if type(cell) is str]),
    st.text(max_size=12),
    st.integers().map(str),
    st.floats().map(repr),
    st.dates().map(str),
)
"""Cells of a text file."""
