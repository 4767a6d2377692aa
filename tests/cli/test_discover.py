"""`dpsynth discover`, and a release with what it found: nobody's own value is left anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command_line import Run
from tests.cli.conftest import HEADER, SCHEMA, records
from tests.cli.test_no_cell_leaves import CANARY, POISON, assert_clean


@pytest.fixture
def open_schema(tmp_path: Path) -> Path:
    file = tmp_path / "open.schema.yaml"
    text = SCHEMA.replace(
        "name: ward, type: string, categories: [a, b, c, d, e, f, g, h]", "name: ward, type: string, PRIVATE"
    )
    file.write_text(text.replace("PRIVATE", "dpsynth: {categories: private}"), encoding="utf-8")
    return file


@pytest.mark.usefixtures("few_attacks")
def test_from_an_open_schema_to_a_release(run: Run, tmp_path: Path, open_schema: Path) -> None:
    data = tmp_path / "data.csv"
    poison = [line for line in POISON if not line.endswith(CANARY)]
    lonely = [f"F,none,north,30,1,2,2020-05-05,true,{CANARY}"]
    data.write_text("\n".join([HEADER, *records(8000), *poison, *lonely]) + "\n", encoding="utf-8")
    completed = tmp_path / "completed.schema.yaml"
    budget = ("ledger", "budget", "clinic", "--epsilon", 3, "--delta", "3e-6", "--event-delta", "1e-6")
    screens = [run(*budget), run("schema", "check", open_schema)]
    assert screens[0].code == 0
    assert screens[1].code == 2
    asked = ("--epsilon", "0.5", "--delta", "1e-6")
    screens.append(run("release", data, "--schema", open_schema, *asked, "--out", tmp_path / "r"))
    assert screens[-1].code == 2
    assert "dpsynth discover" in screens[-1].err
    screens.append(run("discover", data, "--schema", open_schema, *asked, "--out", completed, "--json"))
    assert screens[-1].code == 0, screens[-1].err
    assert json.loads(screens[-1].out)["categories"] == {"ward": 8}
    screens.append(run("discover", data, "--schema", open_schema, *asked, "--out", completed))
    assert screens[-1].code != 0
    screens.append(run("schema", "check", completed))
    assert screens[-1].code == 0, screens[-1].err
    override = ("--override-by", "Ada", "--override-reason", "a test")
    screens.append(run("release", data, "--schema", completed, *asked, "--out", tmp_path / "r", *override))
    assert screens[-1].code == 0, screens[-1].err
    screens.append(run("verify", tmp_path / "r"))
    assert screens[-1].code == 0, screens[-1].err
    screens.append(run("ledger", "show"))
    assert "discover categories" in screens[-1].out
    assert assert_clean(tmp_path, but={data}) > 10
    assert CANARY not in "".join(screen.out + screen.err for screen in screens)


def test_without_event_delta_it_says_what_to_do(run: Run, data_file: Path, tmp_path: Path, open_schema: Path) -> None:
    run("ledger", "budget", "clinic", "--epsilon", 3, "--delta", "1e-5")
    out = tmp_path / "completed.yaml"
    outcome = run("discover", data_file, "--schema", open_schema, "--epsilon", 1, "--delta", "1e-6", "--out", out)
    assert outcome.code == 4
    assert "--event-delta" in outcome.err
    assert not out.exists()
