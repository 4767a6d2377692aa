"""Bad input: one clear message, the right exit code, and a ledger that changed only if the data was opened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command_line import Outcome, Run
from tests.cli.conftest import HEADER, SCHEMA, records
from tests.current_register import policy_that_asks_for_no_audit

GOOD = records(300)


def lines_in_ledger(run: Run) -> int:
    return int(json.loads(run("ledger", "show", "--json").out)["head"]["index"])


def attempt(
    run: Run, tmp_path: Path, schema_file: Path, content: bytes | None, *options: object
) -> tuple[Outcome, int]:
    """Return the outcome of a release of `content` and how many entries it added to the ledger."""
    run("ledger", "budget", "clinic", "--epsilon", 3, "--delta", "1e-5")
    before = lines_in_ledger(run)
    data = tmp_path / "data.csv"
    if content is not None:
        data.write_bytes(content)
    given = {"--schema": schema_file, "--epsilon": 1, "--delta": "1e-6", "--out": tmp_path / "release"}
    given |= dict(zip(options[::2], options[1::2], strict=True))
    outcome = run("release", data, *[part for pair in given.items() for part in pair])
    return outcome, lines_in_ledger(run) - before


def one_message(outcome: Outcome, code: int) -> str:
    assert outcome.code == code, outcome.err
    assert outcome.err.count("error:") == 1
    assert "Traceback" not in outcome.err + outcome.out
    return outcome.err.split("error:", 1)[1]


FILE_FAULTS = {
    "missing file": (None, "no such file"),
    "empty file": (b"", "empty"),
    "not a table": (b"\x7fELF\x00\x00binary", "not a table"),
    "prose": (b"Dear colleague, the data will follow.\n", "does not fit"),
    "wrong encoding": (("\ufeff" + HEADER + "\n" + GOOD[0]).encode("utf-16-le"), "UTF-16"),
    "duplicate column names": (HEADER.replace("stage", "sex").encode() + b"\n", "repeats"),
    "column absent from the file": (HEADER.replace("sex,", "").encode() + b"\n", "'sex'"),
    "column absent from the schema": (HEADER.encode() + b",zip\n", "does not describe"),
}


@pytest.mark.parametrize("kind", FILE_FAULTS)
def test_unusable_files_cost_nothing(run: Run, tmp_path: Path, schema_file: Path, kind: str) -> None:
    content, words = FILE_FAULTS[kind]
    outcome, added = attempt(run, tmp_path, schema_file, content)
    assert words in one_message(outcome, 2)
    assert added == 0
    assert not (tmp_path / "release").exists()


OPTION_FAULTS = {
    "epsilon 0": (("--epsilon", "0"), 2, "epsilon"),
    "epsilon negative": (("--epsilon", "-1"), 2, "epsilon"),
    "epsilon nan": (("--epsilon", "nan"), 2, "epsilon"),
    "epsilon infinite": (("--epsilon", "inf"), 2, "epsilon"),
    "epsilon subnormal": (("--epsilon", "1e-320"), 2, "epsilon"),
    "epsilon no number": (("--epsilon", "one"), 2, "epsilon"),
    "delta of one over n": (("--delta", "0.000025"), 2, "delta"),
    "delta above one over n": (("--delta", "0.01"), 2, "delta"),
    "delta 1": (("--delta", "1"), 2, "delta"),
    "epsilon above the policy": (("--epsilon", "50"), 2, "epsilon"),
    "more than the budget": (("--epsilon", "4"), 4, "largest request that fits"),
    "unknown generator": (("--generator", "magic"), 2, "mwem"),
    "parent folder missing": (("--out", "nowhere/at/all"), 2, "not a folder"),
    "half an override": (("--override-by", "Ada"), 2, "both"),
    "unknown table format": (("--table", "synthetic.xlsx"), 2, "synthetic.csv"),
}


DRY_FAULTS = {
    "missing file": (None, (), "no such file"),
    "column absent from the file": (HEADER.replace("sex,", "").encode() + b"\n", (), "'sex'"),
    "unknown table format": (HEADER.encode() + b"\n", ("--table", "synthetic.xlsx"), "synthetic.csv"),
    "parent folder missing": (HEADER.encode() + b"\n", ("--out", "nowhere/at/all"), "not a folder"),
    "output exists": (HEADER.encode() + b"\n", ("--out", "."), "exists already"),
    "internal folder exists": (HEADER.encode() + b"\n", ("--internal", "."), "exists already"),
}


@pytest.mark.parametrize("kind", DRY_FAULTS)
def test_a_dry_run_refuses_what_the_release_would_refuse(
    run: Run, tmp_path: Path, schema_file: Path, kind: str
) -> None:
    content, options, words = DRY_FAULTS[kind]
    run("ledger", "budget", "clinic", "--epsilon", 3, "--delta", "1e-5")
    data = tmp_path / "data.csv"
    if content is not None:
        data.write_bytes(content)
    given = {"--schema": schema_file, "--epsilon": 1, "--delta": "1e-6", "--out": tmp_path / "release"}
    given |= dict(zip(options[::2], options[1::2], strict=True))
    outcome = run("release", data, "--dry-run", *[part for pair in given.items() for part in pair])
    assert words in one_message(outcome, 2)
    assert lines_in_ledger(run) == 1


def test_a_schema_check_names_what_only_a_release_needs(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text(SCHEMA.replace(", public_rows: 40000", ""), encoding="utf-8")
    checked = one_message(run("schema", "check", file), 2)
    refused = one_message(
        run("release", "none.csv", "--schema", file, "--epsilon", 1, "--delta", "1e-6", "--out", tmp_path / "release"),
        2,
    )
    assert checked == refused


@pytest.mark.parametrize("kind", OPTION_FAULTS)
def test_unusable_options_cost_nothing(run: Run, tmp_path: Path, schema_file: Path, kind: str) -> None:
    options, code, words = OPTION_FAULTS[kind]
    outcome, added = attempt(run, tmp_path, schema_file, "\n".join([HEADER, *GOOD]).encode(), *options)
    assert words in one_message(outcome, code)
    assert added == 0


def test_a_data_set_without_budget_is_refused_with_the_command_that_sets_one(
    run: Run, tmp_path: Path, schema_file: Path, data_file: Path
) -> None:
    outcome = run(
        "release", data_file, "--schema", schema_file, "--epsilon", 1, "--delta", "1e-6", "--out", tmp_path / "release"
    )
    assert "dpsynth ledger budget clinic --epsilon E --delta D" in one_message(outcome, 4)
    assert lines_in_ledger(run) == 0


SCHEMA_FAULTS = {
    "blanks": (SCHEMA.replace("[F, M]", "FILL_IN").replace("maximum: 99", "maximum: FILL_IN"), ["line 4", "line 7"]),
    "unknown keys": (SCHEMA.replace("dpsynth: {bins: 20}", "dpsynth: {bin: 20}"), ["bin", "bins", "line"]),
    "not YAML": ("fields: [", ["line"]),
    "empty": ("", []),
    "no declared number of units": (SCHEMA.replace(", public_rows: 40000", ""), ["public_rows"]),
}


@pytest.mark.parametrize("kind", SCHEMA_FAULTS)
def test_unusable_schemas_cost_nothing(run: Run, tmp_path: Path, kind: str) -> None:
    text, words = SCHEMA_FAULTS[kind]
    file = tmp_path / "bad.yaml"
    file.write_text(text, encoding="utf-8")
    outcome, added = attempt(run, tmp_path, file, "\n".join([HEADER, *GOOD]).encode())
    message = one_message(outcome, 2)
    assert all(word in message for word in words), message
    assert added == 0


@pytest.mark.usefixtures("few_attacks")
def test_an_existing_output_folder_is_never_written_over(run: Run, tmp_path: Path, schema_file: Path) -> None:
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "keep.txt").write_text("mine", encoding="utf-8")
    outcome, added = attempt(run, tmp_path, schema_file, "\n".join([HEADER, *GOOD]).encode())
    assert "exists already" in one_message(outcome, 2)
    assert added == 0
    assert (tmp_path / "release" / "keep.txt").read_text(encoding="utf-8") == "mine"


ROW_FAULTS = {
    "header only": [],
    "one row": GOOD[:1],
    "ragged and broken rows": ['"', "a,b", "x" * 10_000, ",,,,,,,,,,,,,,,", '"unbalanced,1,2,3'],
}


@pytest.mark.usefixtures("few_attacks")
@pytest.mark.parametrize("kind", ROW_FAULTS)
def test_tables_too_small_to_certify_are_refused_after_they_were_charged(
    run: Run, tmp_path: Path, schema_file: Path, kind: str
) -> None:
    """Whether there are rows is private, so the refusal comes from the charged noisy total, with exit code 3."""
    outcome, added = attempt(run, tmp_path, schema_file, "\n".join([HEADER, *ROW_FAULTS[kind]]).encode())
    assert "size of the training table" in one_message(outcome, 3)
    assert added >= 3
    assert not (tmp_path / "release").exists()


@pytest.mark.usefixtures("few_attacks")
def test_a_column_that_is_all_missing_is_named_and_refused(run: Run, tmp_path: Path, schema_file: Path) -> None:
    # As many rows as are declared, so that the planted canaries cannot fill the column.
    rows = [",".join([line.split(",")[0], "", *line.split(",")[2:]]) for line in records(8000)] * 5
    outcome, added = attempt(run, tmp_path, schema_file, "\n".join([HEADER, *rows]).encode())
    assert "'stage'" in one_message(outcome, 3)
    assert added >= 3


def test_a_full_disk_is_one_message_and_leaves_no_half_release(
    tmp_path: Path, schema_file: Path, data_file: Path
) -> None:
    """Files may grow to 300 kB only: the ledger fits, the synthetic table does not."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        **os.environ,
        "DPSYNTH_LEDGER": f"sqlite:///{home / 'ledger.db'}",
        "DPSYNTH_HOME": str(home / "keys"),
    }
    script = (
        "import functools, resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from dpsynth.attacks.registry import ATTACKS\n"
        "from dpsynth.cli import main\n"
        "import dpsynth.certification.audit as audit\n"
        "audit.attack_release = functools.partial(audit.attack_release, attacks=tuple(ATTACKS)[:1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "sys.argv = ['dpsynth', *sys.argv[1:]]\n"
        "main()\n"
    )

    def child(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", script, *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    assert child("ledger", "budget", "clinic", "--epsilon", 3, "--delta", "1e-5").returncode == 0
    full = child(
        *("release", data_file, "--schema", schema_file, "--epsilon", 1, "--delta", "1e-6"),
        *("--out", tmp_path / "release", "--policy", policy_that_asks_for_no_audit(tmp_path)),
    )
    assert full.returncode in {2, 3, 4}, full.stderr
    assert full.stderr.count("error:") == 1
    assert "Traceback" not in full.stderr
    assert not (tmp_path / "release").exists()
    assert not list(tmp_path.glob(".release*"))
    assert child("ledger", "verify").returncode == 0
