"""The main job from the command line: plan, release, verify, ledger, override."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from dpsynth.ledger import EntryKind, Ledger
from tests.cli.command_line import Run
from tests.cli.conftest import HEADER, SCHEMA, records
from tests.current_register import policy_that_asks_for_no_audit

CLAIM = ("--epsilon", 1, "--delta", "1e-6")


def test_the_main_job(run: Run, tmp_path: Path, schema_file: Path, data_file: Path) -> None:
    out = tmp_path / "release"
    assert run("ledger", "budget", "clinic", "--epsilon", 2, "--delta", "1e-5").code == 0

    dry = run("release", data_file, "--schema", schema_file, *CLAIM, "--out", out, "--dry-run")
    assert dry.code == 0
    for fact in ("clinic", "one row", "epsilon 1, delta 1e-06", "left after", "add up by squared mu", "gate"):
        assert fact in dry.err
    assert json.loads(run("ledger", "show", "--json").out)["head"]["index"] == 1

    made = run("release", data_file, "--schema", schema_file, *CLAIM, "--out", out)
    assert made.code == 0, made.err
    assert made.out.lstrip().startswith("PASS")
    assert "dpsynth verify" in made.out
    files = {file.name for file in out.iterdir()}
    assert {"synthetic.csv", "certificate.json", "report.html", "schema.yaml", "ledger.jsonl", "SHA256SUMS"} <= files
    assert (tmp_path / "release-internal").stat().st_mode & 0o777 == 0o700
    table = pd.read_csv(out / "synthetic.csv")
    assert list(table.columns) == HEADER.split(",")
    maker = json.loads((out / "certificate.json").read_text(encoding="utf-8"))["generator"]
    assert (maker["name"], maker["parameters"]["chosen"]) == ("auto", "aim")
    assert maker["parameters"]["reason"] in dry.err
    assert "columns, generator aim<" in (out / "report.html").read_text(encoding="utf-8")
    # Noise on the total is tens of rows at this budget, and the split into controls is a coin per row.
    assert 7000 < len(table) < 9000

    assert run("verify", out).code == 0
    opened = run("verify", out, "--commitment", tmp_path / "release-internal")
    assert opened.code == 0, opened.err
    assert "model and seed give its table and the counts of its canary gate" in " ".join(opened.out.split())
    late = run("verify", out, "--at", "2999-01-01")
    assert (late.code, "FAIL validity: it expired on" in late.out) == (3, True)
    shown = json.loads(run("ledger", "show", "clinic", "--json").out)["data_sets"][0]
    assert [line["state"] for line in shown["releases"]] == ["settled"]
    assert shown["releases"][0]["asked"] == "epsilon 1, delta 1e-06"
    assert run("ledger", "verify").code == 0

    with Ledger(tmp_path / "home" / "ledger.db") as ledger:
        noted, signed = ledger.entries()[-2:]
    assert noted.artefact == hashlib.sha256((out / "SHA256SUMS").read_bytes()).hexdigest()
    assert signed.kind is EntryKind.SIGN

    with (out / "synthetic.csv").open("a", encoding="utf-8") as stream:
        stream.write("F,none,north,1,1,1,2020-01-01,true,a\n")
    changed = run("verify", out)
    assert changed.code == 3
    assert "FAIL files: changed: synthetic.csv" in changed.out
    assert "3 of 14 checks failed (files, signature, table)" in changed.err
    assert "synthetic.csv" not in changed.err


@pytest.mark.usefixtures("few_attacks")
def test_an_old_copy_of_the_ledger_is_not_opened_after_a_certificate(
    run: Run, tmp_path: Path, schema_file: Path, data_file: Path
) -> None:
    """Whoever restores ledger and witness together forgets what was spent; the certificate does not."""
    run("ledger", "budget", "clinic", "--epsilon", 2, "--delta", "1e-5")
    copies = [(tmp_path / "home" / name, tmp_path / f"old-{name}") for name in ("ledger.db", "ledger.db.heads")]
    for place, copy in copies:
        shutil.copy(place, copy)
    why = ("--ticket", "DATA-17", "--legal-basis", "Art. 9 (2) j GDPR")
    assert run("release", data_file, "--schema", schema_file, *CLAIM, *why, "--out", tmp_path / "release").code == 0
    with Ledger(tmp_path / "home" / "ledger.db") as ledger:
        asked, settled = (
            next(entry for entry in ledger.entries() if entry.kind is kind)
            for kind in (EntryKind.RESERVE, EntryKind.SETTLE)
        )
    assert (asked.ticket, asked.legal_basis) == ("DATA-17", "Art. 9 (2) j GDPR")
    assert len(asked.configuration) == len(settled.fingerprint) == 64
    for place, copy in copies:
        shutil.copy(copy, place)
    refused = run("ledger", "show")
    assert refused.code == 4
    assert "the certificate of release" in refused.err
    assert "ends at entry 1" in " ".join(refused.err.split())
    again = run("release", data_file, "--schema", schema_file, *CLAIM, "--out", tmp_path / "again")
    assert again.code == 4


@pytest.mark.usefixtures("few_attacks")
def test_json_output_is_json_and_nothing_else(run: Run, tmp_path: Path, schema_file: Path, data_file: Path) -> None:
    run("ledger", "budget", "clinic", "--epsilon", 2, "--delta", "1e-5")
    arguments = ("release", data_file, "--schema", schema_file, *CLAIM, "--out", tmp_path / "release", "--json")
    made = run(*arguments, "--table", "synthetic.parquet", "--rows", 500, "--seed", 7, "--generator", "independent")
    assert json.loads(made.out)["verdict"] == "PASS"
    assert made.err == ""
    assert len(pd.read_parquet(tmp_path / "release" / "synthetic.parquet")) == 500
    verified = run("verify", tmp_path / "release", "--json")
    assert json.loads(verified.out)["verified"] is True


@pytest.mark.usefixtures("few_attacks")
def test_a_refused_release_can_be_let_go_by_a_person_without_a_new_charge(
    run: Run, tmp_path: Path, schema_file: Path
) -> None:
    run("ledger", "budget", "clinic", "--epsilon", 2, "--delta", "1e-5")
    data = tmp_path / "few.csv"
    data.write_text("\n".join([HEADER, *records(20)]) + "\n", encoding="utf-8")
    refused = run("release", data, "--schema", schema_file, *CLAIM, "--out", tmp_path / "release", "--json")
    assert refused.code == 3
    assert "dpsynth override" in refused.err
    told = json.loads(refused.out)
    assert told["verdict"] == "INCONCLUSIVE"
    assert told["charged"] is True
    assert any("size of the training table" in reason for reason in told["reasons"])
    assert told["internal"] == str(tmp_path / "release-internal")
    charged = json.loads(run("ledger", "show", "--json").out)["data_sets"][0]["left"]

    let_go = run(
        *("override", tmp_path / "release-internal", "--by", "Ada Example", "--reason", "see [/ops/12] [bold]"),
        *("--out", tmp_path / "release"),
    )
    assert let_go.code == 0, let_go.err
    assert "exported because Ada Example decided so; the verdict stays INCONCLUSIVE" in let_go.out
    certificate = json.loads((tmp_path / "release" / "certificate.json").read_text(encoding="utf-8"))
    assert certificate["override"] == {"by": "Ada Example", "reason": "see [/ops/12] [bold]"}
    assert certificate["verdict"] != "PASS"
    verified = run("verify", tmp_path / "release")
    assert verified.code == 0
    assert "see [/ops/12] [bold]" in verified.out
    assert json.loads(run("ledger", "show", "--json").out)["data_sets"][0]["left"] == charged
    again = run(
        "override", tmp_path / "release-internal", "--by", "Ada", "--reason", "twice", "--out", tmp_path / "twice"
    )
    assert again.code == 2
    assert "exported before" in again.err
    nothing = run("override", tmp_path, "--by", "Ada", "--reason", "no", "--out", tmp_path / "other")
    assert nothing.code == 2
    assert "no withheld release" in nothing.err


@pytest.mark.usefixtures("few_attacks")
def test_an_edited_withheld_release_is_not_let_go(run: Run, tmp_path: Path, schema_file: Path) -> None:
    run("ledger", "budget", "clinic", "--epsilon", 2, "--delta", "1e-5")
    data = tmp_path / "few.csv"
    data.write_text("\n".join([HEADER, *records(20)]) + "\n", encoding="utf-8")
    run("release", data, "--schema", schema_file, *CLAIM, "--out", tmp_path / "release")
    internal = tmp_path / "release-internal"
    kept = internal / "withheld" / "certificate.json"
    order = ("override", internal, "--by", "Ada", "--reason", "why not", "--out", tmp_path / "release")
    elsewhere = run(*order, "--ledger", tmp_path / "other.db")
    assert elsewhere.code in {2, 4}
    kept.write_bytes(kept.read_bytes().replace(b"INCONCLUSIVE", b"PASS"))
    edited = run(*order)
    assert edited.code == 2
    assert not (tmp_path / "release").exists()


@pytest.mark.parametrize("option", ["--json", "--dry-run"])
def test_a_release_that_cannot_pass_is_refused_before_it_is_charged(
    run: Run, tmp_path: Path, schema_file: Path, data_file: Path, option: str
) -> None:
    run("ledger", "budget", "clinic", "--epsilon", 2, "--delta", "1e-5")
    schema_file.write_text(SCHEMA.replace("public_rows: 40000", "public_rows: 500"), encoding="utf-8")
    arguments = ("release", data_file, "--schema", schema_file, *CLAIM, "--out", tmp_path / "release", "--json")
    refused = run(*dict.fromkeys([*arguments, option]))
    assert refused.code == 3
    told = json.loads(refused.out)
    assert told["verdict"] == "INCONCLUSIVE"
    assert told["charged"] is False
    assert told["internal"] is None
    assert json.loads(run("ledger", "show", "--json").out)["head"]["index"] == 1


@pytest.mark.parametrize("dry", [("--dry-run",), ()])
def test_code_without_audits_on_record_is_refused_before_the_charge_with_what_can_be_done(
    run: Run, tmp_path: Path, schema_file: Path, data_file: Path, monkeypatch: pytest.MonkeyPatch, dry: tuple[str, ...]
) -> None:
    monkeypatch.setattr("dpsynth.certification.implementation_audits._shipped_register", lambda: ())
    run("ledger", "budget", "clinic", "--epsilon", 2, "--delta", "1e-5")
    arguments = ("release", data_file, "--schema", schema_file, *CLAIM, "--out", tmp_path / "release", *dry)
    refused = run(*arguments)
    assert refused.code == 3
    words = " ".join(refused.err.split())
    assert "audits no recorded audit for this version" in words
    assert words.count("asks for passed audits of the very code that runs, in L0, L1, L2; of auto: aim,") == 1
    assert "leaves `audit_layers` empty, and name it with --policy FILE" in words
    assert "Nothing was read or charged" in words
    told = json.loads(run(*arguments, "--json").out)
    assert (told["verdict"], told["charged"], told["internal"]) == ("INCONCLUSIVE", False, None)
    assert json.loads(run("ledger", "show", "--json").out)["head"]["index"] == 1
    if dry:
        assert run(*arguments, "--policy", policy_that_asks_for_no_audit(tmp_path)).code == 0


def test_a_draft_holds_names_and_types_and_is_refused_until_it_is_filled_in(
    run: Run, tmp_path: Path, data_file: Path
) -> None:
    draft = tmp_path / "draft.yaml"
    assert run("schema", "draft", data_file, "--out", draft).code == 0
    text = draft.read_text(encoding="utf-8")
    assert all(name in text for name in HEADER.split(","))
    assert "FILL_IN" in text
    assert "north" not in text
    checked = run("schema", "check", draft)
    assert checked.code == 2
    assert checked.err.count("line ") >= 5
    assert run("schema", "draft", data_file, "--out", draft).code == 2
    headless = tmp_path / "headless.csv"
    headless.write_text("\n".join(records(3)), encoding="utf-8")
    refused = run("schema", "draft", headless)
    assert refused.code == 2
    assert "header" in refused.err


def test_the_schema_of_schemas_is_printed(run: Run) -> None:
    assert "properties" in json.loads(run("schema", "json-schema").out)


@pytest.mark.usefixtures("few_attacks")
def test_two_releases_under_a_locked_plan_verify_offline(
    run: Run, tmp_path: Path, schema_file: Path, data_file: Path
) -> None:
    listed = tmp_path / "plan.yaml"
    listed.write_text("- {name: first, epsilon: 1, delta: 1e-6}\n- {name: second, epsilon: 0.5, delta: 1e-6}\n")
    run("ledger", "budget", "clinic", "--epsilon", 2, "--delta", "1e-5", "--policy", "plan")
    assert run("ledger", "plan", "lock", "clinic", "--file", listed).code == 0
    made_with = ("release", data_file, "--schema", schema_file, "--generator", "independent", "--delta", "1e-6")

    other = run(*made_with, "--epsilon", "0.7", "--out", tmp_path / "other")
    assert other.code == 4
    assert "does not hold this request" in other.err
    dry = run(*made_with, "--epsilon", 1, "--out", tmp_path / "first", "--dry-run")
    assert "2 of 2 planned requests" in dry.err
    assert "1 of 2 planned requests" in dry.err
    for epsilon, name in ((0.5, "second"), (1, "first")):
        made = run(*made_with, "--epsilon", epsilon, "--out", tmp_path / name, "--json")
        assert json.loads(made.out)["verdict"] == "PASS", made.err
    again = run(*made_with, "--epsilon", 1, "--out", tmp_path / "again")
    assert again.code == 4
    assert "made already" in again.err

    shutil.rmtree(tmp_path / "home")
    for name in ("first", "second"):
        verified = run("verify", tmp_path / name, "--json")
        told = json.loads(verified.out)
        assert told["verified"] is True
        assert "the list that entry 2 locked before" in json.dumps(told)
    certificate = json.loads((tmp_path / "first" / "certificate.json").read_text(encoding="utf-8"))
    assert len(certificate["ledger"]["plans"]) == 1
    assert float(certificate["accountants"]["proven"]) <= 1
