"""One record changes its own code and nothing else; headers are checked before anything is spent."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator import Curator
from dpsynth.curator._sealed import unseal
from dpsynth.errors import DpsynthError, TableError
from dpsynth.ledger import Ledger
from dpsynth.randomness import NoiseSource, SeededNoise
from dpsynth.schema.schema import Schema

SCHEMA = Schema.from_text(
    """
name: clinic
fields:
  - {name: sex, type: string, categories: [F, M]}
  - {name: age, type: integer, constraints: {minimum: 0, maximum: 99}, dpsynth: {bins: 10}}
  - {name: cost, type: number, constraints: {minimum: 0, maximum: 1000}, dpsynth: {bins: 4, spikes: [0]}}
  - {name: seen, type: date, constraints: {minimum: 2020-01-01, maximum: 2024-12-31}, dpsynth: {bins: 5}}
  - {name: alive, type: boolean}
dpsynth: {unit: {kind: row}, public_rows: 2000}
""",
    source="clinic.yaml",
)
HEADER = "sex,age,cost,seen,alive"
RECORDS = [
    "F,34,0,2020-05-01,true",
    "M,70,12.5,2021-01-31,false",
    "F,,999,2024-12-31,true",
    '"M",12,"3",2022-02-02,true',
    "X,12,3,2022-02-02,",
]
BUDGET = PrivacyBudget(1, "1e-6")


def ledger() -> Ledger:
    books = Ledger("sqlite://")
    books.set_budget("clinic", PrivacyBudget(5, "1e-6"), unit="one row")
    return books


def opened(
    data: object,
    schema: Schema = SCHEMA,
    *,
    noise: NoiseSource | None = None,
    control_fraction: Fraction = Fraction(0),
    planted: NDArray[np.int32] | None = None,
) -> Curator:
    """Return a curator whose rows have been read."""
    books = Ledger("sqlite://")
    books.set_budget(schema.dataset, PrivacyBudget(5, "1e-6"), unit=schema.unit.describe())
    made = Curator.open(
        data, schema, ledger=books, noise=noise or SeededNoise(0), control_fraction=control_fraction, planted=planted
    )
    with made.within(BUDGET, purpose="open"):
        pass
    return made


def training_codes(made: Curator) -> NDArray[np.int64]:
    return np.stack(unseal(made.sealed_rows()).training, axis=1).astype(np.int64)


def codes_of(path: Path, lines: list[bytes]) -> list[tuple[int, ...]]:
    path.write_bytes(b"\n".join([HEADER.encode(), *lines]) + b"\n")
    return [tuple(row) for row in training_codes(opened(path)).tolist()]


ARBITRARY_LINE = st.one_of(
    st.binary(max_size=80),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", errors="surrogatepass")),
    st.sampled_from(
        [
            b'"unbalanced,1,2',
            b'F,"34,0,2020-05-01,true',
            b",,,,",
            b"F",
            b"F,34,0,2020-05-01,true,surplus,cells",
            b"new category,not a number,1e999,not a date,maybe",
            b"F,2.5,-1e400,0001-01-01,2",
            b"\xff\xfe\x00\x00",
            b"A" * 10_000 + b",1,1,2020-01-01,true",
            b"=cmd|' /C calc'!A0,1,1,2020-01-01,true",
            b'"' * 9_999,
        ]
    ),
).map(lambda line: line.replace(b"\n", b" "))


@given(line=ARBITRARY_LINE, place=st.integers(min_value=0, max_value=len(RECORDS)))
def test_one_arbitrary_record_disturbs_no_other(
    line: bytes, place: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    lines = [record.encode() for record in RECORDS]
    without = codes_of(folder / "without.csv", lines)
    with_it = codes_of(folder / "with.csv", [*lines[:place], line, *lines[place:]])
    text = line.decode("utf-8", errors="surrogateescape").rstrip("\r\n")
    if '"' not in text:
        assert len(with_it) - len(without) == (text.count(",") == HEADER.count(","))
    assert len(with_it) - len(without) in {0, 1}
    assert not Counter(without) - Counter(with_it)


RAGGED = [
    b"",
    b"F",
    b"F,34,0,2020-05-01",
    b"F,34,0,2020-05-01,true,",
    b"F,34,0,2020-05-01,true,surplus,cells",
    b'"F,34,0,2020-05-01,true',
    b'F,34,0,"2020-05-01,true',
]


@pytest.mark.parametrize("line", RAGGED)
def test_a_line_of_another_width_adds_no_row(line: bytes, tmp_path: Path) -> None:
    lines = [record.encode() for record in RECORDS]
    assert codes_of(tmp_path / "with.csv", [*lines[:2], line, *lines[2:]]) == codes_of(tmp_path / "without.csv", lines)


def test_a_quoted_line_break_adds_no_row_for_every_line(tmp_path: Path) -> None:
    lines = [record.encode() for record in RECORDS]
    broken = b'F,34,0,2020-05-01,"first\n' + b"more, text\n" * 50 + b'last"'
    assert len(codes_of(tmp_path / "with.csv", [broken, *lines])) == len(lines) + 1  # its first line fits the header


class Nasty:
    """An object that resists being shown."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


ARBITRARY_CELL = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=10),
    st.dates(),
    st.datetimes(),
    st.decimals(),
    st.complex_numbers(),
    st.lists(st.integers(), max_size=2),
    st.just(pd.NA),
    st.just(pd.NaT),
    st.builds(Nasty),
)


@given(cells=st.tuples(*[ARBITRARY_CELL] * 5))
def test_one_arbitrary_row_of_objects_disturbs_no_other(cells: tuple[object, ...]) -> None:
    plain = pd.DataFrame(
        {
            "sex": ["F", "M", "F"],
            "age": [30, 40, 50],
            "cost": [0.0, 5.0, 999.5],
            "seen": pd.to_datetime(["2020-01-01", "2021-06-05", "2024-12-31"]),
            "alive": [True, False, True],
        }
    )
    wider = pd.DataFrame(
        {name: pd.Series([*plain[name].tolist(), cell], dtype=object) for name, cell in zip(plain, cells, strict=True)}
    )
    before = training_codes(opened(plain))
    after = training_codes(opened(wider))
    assert len(after) == 4
    np.testing.assert_array_equal(after[:3], before)


def test_csv_parquet_and_frame_give_the_same_codes(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "sex": ["F", "M", None, "other"],
            "age": pd.array([34, None, 99, 0], dtype="Int64"),
            "cost": [0.0, 12.5, float("nan"), 1e6],
            "seen": pd.to_datetime(["2020-05-01", None, "2024-12-31", "2030-01-01"]),
            "alive": pd.array([True, None, False, True], dtype="boolean"),
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    expected = training_codes(opened(frame))
    np.testing.assert_array_equal(training_codes(opened(tmp_path / "t.csv")), expected)
    np.testing.assert_array_equal(training_codes(opened(str(tmp_path / "t.parquet"))), expected)


# ------------------------------------------------------------------------------------------------------- bad headers


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"sex,age,cost,seen\nF,1,2,2020-01-01\n", "'alive'"),
        (b"sex,age,cost,seen,alive,zip\n", "position"),
        (b"sex,sex,age,cost,seen,alive\n", "repeats"),
        ("sex,age,cost,seen,alive".encode("utf-16"), "UTF-16"),
        ("séx,age,cost,seen,alive".encode("latin-1"), "encoding"),
        (b"PK\x03\x04spreadsheet", "spreadsheet"),
        (b"\x00\x01\x02\x00", "not a table"),
        (b"just some prose, nothing else", "does the file have a header"),
        (b"sex,age,cost,seen,alive\rF,1,2,2020-01-01,true\r", "carriage return"),
        (b"sex,age,cost,seen,alive\r" + b"F,1,2,2020-01-01,true\r" * 60_000, "carriage return"),
    ],
)
def test_a_bad_header_is_one_clear_message_and_nothing_is_spent(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(content)
    with pytest.raises(TableError, match=words):
        Curator.open(file, SCHEMA, ledger=ledger())


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no such file"):
        Curator.open(tmp_path / "none.csv", SCHEMA, ledger=ledger())
    with pytest.raises(TableError, match="folder"):
        Curator.open(tmp_path, SCHEMA, ledger=ledger())
    with pytest.raises(TableError, match="cannot read a table"):
        Curator.open(3, SCHEMA, ledger=ledger())


def test_a_file_without_header_does_not_show_its_first_record(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("Zebulon,1934,0,2020-05-01,true\n", encoding="utf-8")
    with pytest.raises(TableError) as refusal:
        Curator.open(file, SCHEMA, ledger=ledger())
    assert "Zebulon" not in str(refusal.value)
    assert "1934" not in str(refusal.value)


@pytest.mark.parametrize("record", ["Zebulon,7,7,7,7", "Zebulon,1,7,7,7,7,1", "a,b"])
def test_a_file_without_header_does_not_show_how_its_first_record_is_made(record: str, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text(f"{record}\n", encoding="utf-8")
    with pytest.raises(TableError, match="does the file have a header") as refusal:
        Curator.open(file, SCHEMA, ledger=ledger())
    assert "position" not in str(refusal.value)
    assert "repeats" not in str(refusal.value)
    assert not any(mark.isdigit() for mark in str(refusal.value))


def test_rows_cannot_be_had_before_anything_was_charged() -> None:
    closed = Curator.open(pd.DataFrame(columns=HEADER.split(",")), SCHEMA, ledger=ledger())
    with pytest.raises(DpsynthError, match="not been opened"):
        closed.sealed_rows()


# --------------------------------------------------------------------------------------------- units, controls, plants

VISITS = Schema.from_text(
    """
name: visits
fields:
  - {name: ward, type: string, categories: [a, b, c, d, e]}
dpsynth: {unit: {id_column: patient, max_rows_per_unit: 2}, public_rows: 100}
""",
    source="visits.yaml",
)


def test_no_unit_keeps_more_rows_than_declared() -> None:
    frame = pd.DataFrame({"patient": [1] * 5 + [2] * 2 + [3, None, None, None], "ward": list("abcdeab") + list("cdee")})
    assert len(training_codes(opened(frame, VISITS))) == 2 + 2 + 1


@pytest.mark.parametrize("nobody", [None, float("nan"), pd.NA, pd.NaT, "", "  ", "nan", Nasty()])
def test_rows_without_an_identifier_are_left_out(nobody: object) -> None:
    patients = pd.Series([1, nobody, 2, nobody], dtype=object)
    codes = training_codes(opened(pd.DataFrame({"patient": patients, "ward": list("abcd")}), VISITS))
    assert codes[:, 0].tolist() == [0, 2]


def test_a_table_of_rows_without_identifiers_is_empty() -> None:
    frame = pd.DataFrame({"patient": [None, None], "ward": ["a", "b"]})
    assert len(training_codes(opened(frame, VISITS))) == 0


def test_kept_rows_are_chosen_evenly_and_not_by_value_or_place() -> None:
    frame = pd.DataFrame({"patient": ["p"] * 5, "ward": list("abcde")})
    kept = np.zeros(5)
    draws = 500
    for seed in range(draws):
        for code in training_codes(opened(frame, VISITS, noise=SeededNoise(seed)))[:, 0]:
            kept[code] += 1
    # Each row is kept with probability 2/5; six standard deviations of a binomial.
    assert (np.abs(kept / draws - 0.4) < 6 * np.sqrt(0.24 / draws)).all()


def test_identifiers_mean_the_same_as_numbers_and_as_text() -> None:
    as_float = pd.DataFrame({"patient": [7.0, 7.0, 7.0], "ward": list("abc")})
    as_text = pd.DataFrame({"patient": ["7", " 7", "7"], "ward": list("abc")})
    assert len(training_codes(opened(as_float, VISITS))) == len(training_codes(opened(as_text, VISITS))) == 2


def test_all_rows_of_a_unit_fall_on_the_same_side_of_the_control_split() -> None:
    frame = pd.DataFrame({"patient": np.repeat(np.arange(400), 2), "ward": np.tile(["a", "b"], 400)})
    rows = unseal(opened(frame, VISITS, control_fraction=Fraction(1, 4)).sealed_rows())
    assert len(rows.control) + len(rows.training[0]) == 800
    assert (np.bincount(rows.control[:, 0], minlength=2)[:2] == len(rows.control) // 2).all()
    # Binomial(400, 1/4): six standard deviations are 52 units.
    assert abs(len(rows.control) // 2 - 100) < 52


def test_planted_rows_join_the_training_rows_only() -> None:
    planted = np.array([[4], [4], [4]], dtype=np.int32)
    frame = pd.DataFrame({"patient": np.arange(200), "ward": ["a"] * 200})
    made = opened(frame, VISITS, control_fraction=Fraction(1, 2), planted=planted)
    rows = unseal(made.sealed_rows())
    assert int((rows.training[0] == 4).sum()) == 3
    assert not (rows.control == 4).any()
    assert made.planted == 3
