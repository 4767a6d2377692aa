"""A table that any tool made, attacked with the rows at hand: what is found, what is refused, and where it goes."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import dpsynth
from dpsynth.accounting.unit import PrivacyUnit
from dpsynth.certification.audit import HTML_FILE, JSON_FILE, STAMP
from dpsynth.certification.policy import Verdict
from dpsynth.certification.table_audit import TableAudit
from dpsynth.errors import BundleError, InvalidInput, SchemaError, TableError
from dpsynth.schema.schema import Schema
from tests.certification.made_releases import survey_rows, survey_schema, table_of
from tests.short_suite import shorten

ROWS = 600


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(31)
    return {name: table_of(survey_rows(ROWS, rng)).to_pandas() for name in ("train", "control", "reference", "fresh")}


def attacked(
    synthetic: pd.DataFrame, tables: dict[str, pd.DataFrame], out: Path, schema: Schema | None = None, **named: object
) -> TableAudit:
    given = {"training": tables["train"], "control": tables["control"], "seed": 1, **named}
    return dpsynth.attack_table(synthetic, schema=schema or survey_schema(), out=out, **given)  # type: ignore[arg-type]


def content(found: TableAudit) -> dict[str, object]:
    return dict(json.loads((found.folder / JSON_FILE).read_text(encoding="utf-8")))


def test_a_copy_of_the_training_rows_fails(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    found = attacked(tables["train"].sample(frac=1, random_state=1), tables, tmp_path / "audit")
    assert found.verdict is Verdict.FAIL
    assert found.readings["exact-match"] is Verdict.FAIL
    assert content(found)["verdict"] == "FAIL"


def test_people_of_the_same_kind_do_not_fail(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    found = attacked(tables["fresh"], tables, tmp_path / "audit", reference=tables["reference"])
    assert found.verdict is not Verdict.FAIL
    assert content(found)["remarks"] == []
    assert content(found)["secrets"] == []


def test_a_report_says_which_secrets_a_pass_would_be_about(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    found = attacked(tables["fresh"], tables, tmp_path / "audit", reference=tables["reference"], secrets=["smoker"])
    assert content(found)["secrets"] == ["smoker"]
    (remark,) = content(found)["remarks"]  # type: ignore[misc]
    assert "a PASS speaks about smoker and about no other column" in remark
    assert remark in (found.folder / HTML_FILE).read_text(encoding="utf-8")


def test_the_report_is_stamped_and_for_its_owner_only(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    folder = attacked(tables["fresh"], tables, tmp_path / "audit").folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in (JSON_FILE, HTML_FILE):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
        assert STAMP in (folder / name).read_text(encoding="utf-8")


def test_one_seed_makes_one_report(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    first, second = (attacked(tables["fresh"], tables, tmp_path / name) for name in ("one", "other"))
    assert (first.folder / JSON_FILE).read_bytes() == (second.folder / JSON_FILE).read_bytes()


def test_files_and_frames_are_read_alike(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    paths = {name: tmp_path / f"{name}.csv" for name in tables}
    for name, path in paths.items():
        smokers = tables[name]["smoker"].astype(object).map({True: "yes", False: "no"})
        tables[name].assign(smoker=smokers).to_csv(path, index=False)
    schema = tmp_path / "schema.yaml"
    schema.write_text(survey_schema().to_yaml(), encoding="utf-8")
    by_file = dpsynth.attack_table(
        paths["fresh"], paths["train"], str(paths["control"]), schema, out=tmp_path / "files", seed=1
    )
    by_frame = attacked(tables["fresh"], tables, tmp_path / "frames")
    assert content(by_file) == {**content(by_frame), "release_id": "fresh.csv"}


def test_controls_that_are_the_training_rows_are_refused(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="one and the same"):
        attacked(tables["fresh"], tables, tmp_path / "a", control=tables["train"])
    turned = tables["train"].iloc[::-1].reset_index(drop=True)
    with pytest.raises(TableError, match="hold the same rows"):
        attacked(tables["fresh"], tables, tmp_path / "b", control=turned)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["training", "control", "synthetic"])
def test_empty_tables_are_refused(tables: dict[str, pd.DataFrame], tmp_path: Path, name: str) -> None:
    named = {"synthetic": tables["fresh"], "training": tables["train"], "control": tables["control"]}
    named[name] = named[name].iloc[:0]
    with pytest.raises(TableError, match=f"the {name} table has no rows"):
        dpsynth.attack_table(schema=survey_schema(), out=tmp_path / "audit", **named)  # type: ignore[arg-type]


def test_common_rows_of_training_and_control_are_remarked(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    mixed = pd.concat([tables["control"].iloc[:-60], tables["train"].iloc[:60]], ignore_index=True)
    found = attacked(tables["fresh"], tables, tmp_path / "audit", control=mixed, reference=tables["reference"])
    (remark,) = content(found)["remarks"]  # type: ignore[misc]
    assert "stand in the training table too" in remark
    assert remark.split(".")[0] in (found.folder / HTML_FILE).read_text(encoding="utf-8")


def test_a_synthetic_table_outside_the_schema_is_remarked(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    strange = tables["fresh"].assign(age=500)
    found = attacked(strange, tables, tmp_path / "audit", reference=tables["reference"])
    assert any("'age'" in str(remark) for remark in content(found)["remarks"])  # type: ignore[attr-defined]


def test_every_row_counts_where_a_unit_may_have_several(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    schema = replace(survey_schema(), unit=PrivacyUnit(max_rows_per_unit=2, id_column="person"))
    with_names = {name: table.assign(person=np.arange(len(table)) // 5) for name, table in tables.items()}
    found = attacked(with_names["fresh"].drop(columns="person"), with_names, tmp_path / "audit", schema)
    said = content(found)
    assert said["members"] == ROWS
    assert any("every row is attacked by itself" in str(remark) for remark in said["remarks"])  # type: ignore[attr-defined]


def test_a_header_that_does_not_fit_is_refused_before_rows_are_read(
    tables: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    with pytest.raises(TableError, match="'age'"):
        attacked(tables["fresh"], tables, tmp_path / "audit", reference=tables["reference"].drop(columns="age"))
    with pytest.raises(SchemaError):
        dpsynth.attack_table("a.csv", "b.csv", "c.csv", tmp_path / "none.yaml", out=tmp_path / "audit")


def test_the_report_never_lies_in_a_release_folder(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    released = tmp_path / "release"
    released.mkdir()
    (released / "certificate.json").write_text("{}", encoding="utf-8")
    table = released / "synthetic.csv"
    tables["fresh"].to_csv(table, index=False)
    with pytest.raises(BundleError, match="must not be written inside the release folder"):
        dpsynth.attack_table(table, tables["train"], tables["control"], survey_schema(), out=released / "audit")
    (tmp_path / "there").mkdir()
    with pytest.raises(BundleError, match="exists already"):
        attacked(tables["fresh"], tables, tmp_path / "there")


def test_a_copy_of_declared_columns_is_found_by_them(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    own = ["age", "income", "visits"]
    release = tables["fresh"].assign(**{name: tables["train"][name].to_numpy() for name in own})
    found = attacked(release, tables, tmp_path / "audit", quasi_identifiers=[own, ["smoker"]])
    assert found.readings["quasi-identifier-match"] is Verdict.FAIL


def test_unknown_quasi_identifiers_are_refused_before_a_table_is_read(tmp_path: Path) -> None:
    nowhere = tmp_path / "none.csv"
    with pytest.raises(InvalidInput, match="shoe size"):
        dpsynth.attack_table(
            nowhere,
            nowhere,
            nowhere,
            survey_schema(),
            out=tmp_path / "audit",
            quasi_identifiers=[["age", "shoe size"]],
        )


def test_people_who_are_asked_for_are_looked_at_on_their_own(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    found = attacked(tables["fresh"], tables, tmp_path / "audit", groups={"smokers": "smoker", "poor": "income < 0"})
    strata = {str(one["label"]): one["members"] for one in content(found)["strata"]}  # type: ignore[attr-defined]
    assert {"group: smokers", "group: poor"} <= strata.keys()
    assert strata["group: smokers"] == (tables["train"]["smoker"].astype(str) == "True").sum()
    assert found.failed == ()


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"old": "age >= 200"}, "nobody"),
        ({"old": "shoe size > 3"}, "cannot be read"),
        ({" ": "smoker"}, "needs a name"),
        ({"them": "region == 'moon'"}, "not a declared value"),
    ],
)
def test_people_who_are_none_are_refused_before_a_table_is_read(
    groups: dict[str, str], said: str, tmp_path: Path
) -> None:
    nowhere = tmp_path / "none.csv"
    with pytest.raises(InvalidInput, match=said):
        dpsynth.attack_table(nowhere, nowhere, nowhere, survey_schema(), out=tmp_path / "audit", groups=groups)
