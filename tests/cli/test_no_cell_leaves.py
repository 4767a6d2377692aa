"""Strings planted in the data occur in nothing that a run leaves behind."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.cli.command_line import Run
from tests.cli.conftest import HEADER, records

CANARY = "Zebulon-Quartzmeier"
CANARY_NUMBER = "918273645546372819"
POISON = [
    f"{CANARY},none,north,30,1,2,2020-05-05,true,a",
    f"F,{CANARY},north,{CANARY},1,2,{CANARY},true,a",
    f"F,none,north,{CANARY_NUMBER},{CANARY_NUMBER},{CANARY_NUMBER},{CANARY_NUMBER},{CANARY},a",
    f'"{CANARY}',
    f"{CANARY}",
    f"=cmd|'{CANARY}'!A0,=1+1,@SUM({CANARY}),+1,-1,0,2020-05-05,true,=A1",
    *([f"F,none,north,30,1,2,2020-05-05,true,{CANARY}"] * 400),
]


def assert_clean(folder: Path, *, but: set[Path]) -> int:
    looked_at = 0
    for file in folder.rglob("*"):
        if file.is_file() and file not in but:
            content = file.read_bytes()
            looked_at += 1
            for planted in (CANARY, CANARY_NUMBER):
                for encoding in ("utf-8", "utf-16-le"):
                    assert planted.encode(encoding) not in content, file
    return looked_at


def test_in_no_file_log_or_message_of_a_release(
    run: Run, tmp_path: Path, schema_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    data = tmp_path / "data.csv"
    data.write_text("\n".join([HEADER, *records(1500), *POISON]) + "\n", encoding="utf-8")
    screens = [run("ledger", "budget", "clinic", "--epsilon", 3, "--delta", "1e-5")]
    for number, options in enumerate([(), ("--generator", "independent", "--table", "synthetic.parquet")]):
        out = tmp_path / f"release{number}"
        screens.append(
            run(
                *("release", data, "--schema", schema_file, "--epsilon", 1, "--delta", "1e-6", "--out", out),
                *("--override-by", "Ada", "--override-reason", "a test", *options),
            )
        )
        assert screens[-1].code == 0, screens[-1].err
        screens.append(run("verify", out))
        assert screens[-1].code == 0, screens[-1].err
    screens.append(run("ledger", "show"))
    for form, options in (("jsonl", ("--sign",)), ("csv", ()), ("registry", ("--dataset", "clinic"))):
        screens.append(run("ledger", "export", tmp_path / f"ledger.{form}", "--format", form, *options))
        assert screens[-1].code == 0, screens[-1].err
    for view in (
        ("show", "--json"),
        ("timeline", "--json"),
        ("what-if", "clinic", "--release", "a:epsilon=1,delta=1e-6"),
    ):
        screens.append(run("ledger", *view))
        assert screens[-1].code == 0, screens[-1].err
    folders = [part for number in range(2) for part in ("--artefacts", tmp_path / f"release{number}")]
    screens.append(run("ledger", "audit", tmp_path / "ledger.jsonl", *folders))
    assert screens[-1].code == 0, screens[-1].out
    assert assert_clean(tmp_path, but={data, schema_file}) > 20
    said = caplog.text + "".join(screen.out + screen.err for screen in screens)
    assert CANARY not in said
    assert CANARY_NUMBER not in said


@pytest.mark.parametrize(
    "header",
    [f"{CANARY},b,c", HEADER.replace("sex", CANARY), f"{HEADER},{CANARY}", f"{HEADER},{CANARY},{CANARY}"],
)
def test_in_no_message_about_a_header(run: Run, tmp_path: Path, schema_file: Path, header: str) -> None:
    """The first line of a file without header is somebody's record."""
    run("ledger", "budget", "clinic", "--epsilon", 3, "--delta", "1e-5")
    data = tmp_path / "data.csv"
    data.write_text("\n".join([header, *POISON]), encoding="utf-8")
    outcome = run(
        "release", data, "--schema", schema_file, "--epsilon", 1, "--delta", "1e-6", "--out", tmp_path / "release"
    )
    assert outcome.code == 2
    assert CANARY not in outcome.err + outcome.out


def test_in_no_message_about_an_unexpected_error(
    run: Run, tmp_path: Path, schema_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object, **named: object) -> None:
        raise ValueError(f"could not convert string to float: '{CANARY}'")

    monkeypatch.setattr("dpsynth.curator.ingest.encode_cells", broken)
    run("ledger", "budget", "clinic", "--epsilon", 3, "--delta", "1e-5")
    data = tmp_path / "data.csv"
    data.write_text("\n".join([HEADER, *POISON]), encoding="utf-8")
    outcome = run(
        "release", data, "--schema", schema_file, "--epsilon", 1, "--delta", "1e-6", "--out", tmp_path / "release"
    )
    assert outcome.code == 1
    assert CANARY not in outcome.err + outcome.out
    shown = run("ledger", "show")
    assert "settled" in shown.out
    assert "Traceback" not in shown.err
