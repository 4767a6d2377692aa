"""Commands about populations, plans, renewals, signatures and spends of other tools: what they say, and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dpsynth.ledger import Ledger, load_or_create_key
from tests.cli.command_line import Run


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, tuple[Path, Path]]:
    """Return private and public key files of three people."""
    made = {}
    for name in ("ada", "bob", "eve"):
        private, public = tmp_path / f"{name}.pem", tmp_path / f"{name}.pub.pem"
        public.write_bytes(load_or_create_key(private).public_pem)
        made[name] = (private, public)
    return made


def answer(run: Run, *arguments: object) -> dict[str, object]:
    outcome = run("ledger", *arguments, "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert isinstance(found, dict)
    return found


def test_a_link_is_said_once(run: Run) -> None:
    said = ("link", "visits", "--population", "hospital", "--population", "registry")
    assert answer(run, *said) == {"data_set": "visits", "populations": ["hospital", "registry"]}
    assert answer(run, *said)["populations"] == ["hospital", "registry"]
    assert "'hospital' and 'registry'" in run("ledger", *said).out
    refused = run("ledger", "link", "visits", "--population", "others")
    assert refused.code == 4
    assert "known already" in refused.err
    assert run("ledger", "link", "two words", "--population", "hospital").code == 2
    assert run("ledger", "link", "stays").code == 2


class TestPlans:
    def test_a_list_is_locked_once_and_each_release_has_its_place(self, run: Run, tmp_path: Path) -> None:
        listed = tmp_path / "plan.yaml"
        listed.write_text(
            "- {name: a, epsilon: 0.5, delta: 1e-8}\n- {name: b, rho: 0.01, count: 3}\n", encoding="utf-8"
        )
        made = run("ledger", "budget", "survey", "--epsilon", 2, "--delta", "1e-6", "--policy", "plan")
        assert "Next: dpsynth ledger plan lock survey" in made.out
        found = answer(run, "plan", "lock", "survey", "--file", listed)
        assert (found["population"], found["events"]) == ("survey", 4)
        assert found["requests"] == [
            {"name": "a", "asked": "epsilon 0.5, delta 1e-08"},
            {"name": "b", "asked": "3 times rho 0.01"},
        ]
        assert 0 < float(str(found["plan_epsilon"])) < 2
        (account,) = answer(run, "show")["data_sets"]  # type: ignore[misc]
        assert account["left"] == "4 of 4 planned requests"
        again = run("ledger", "plan", "lock", "survey", "--file", listed)
        assert again.code == 4
        assert "locked already" in again.err

    def test_what_does_not_fit_is_not_locked(self, run: Run, tmp_path: Path) -> None:
        listed = tmp_path / "plan.json"
        listed.write_text('[{"name": "a", "epsilon": 5, "delta": "1e-6"}]', encoding="utf-8")
        run("ledger", "budget", "survey", "--epsilon", 2, "--delta", "1e-6", "--policy", "plan")
        refused = run("ledger", "plan", "lock", "survey", "--file", listed)
        assert refused.code == 2
        assert "was to be kept" in refused.err
        assert run("ledger", "plan", "lock", "nobody", "--file", listed).code == 4


class TestRenewals:
    @pytest.fixture
    def panel(self, run: Run, keys: dict[str, tuple[Path, Path]], tmp_path: Path) -> Path:
        """Return a proposal for a budget that two people may renew."""
        approvers = [word for name in ("ada", "bob") for word in ("--approver", keys[name][1])]
        made = run("ledger", "budget", "panel", "--epsilon", 1, "--delta", 0, *approvers)
        assert "renewed by two of 2" in made.out
        file = tmp_path / "renewal.json"
        terms = ("--epsilon", 2, "--delta", 0, "--reason", "new people", "--out", file)
        found = answer(run, "renew", "propose", "panel", *terms)
        assert (found["epoch"], found["reason"], found["signed_by"]) == (2, "new people", [])
        taken = run("ledger", "renew", "propose", "panel", *terms)
        assert (taken.code, "exists already" in taken.err) == (2, True)
        return file

    def test_two_approvers_begin_an_epoch(
        self, run: Run, keys: dict[str, tuple[Path, Path]], panel: Path, tmp_path: Path
    ) -> None:
        too_early = run("ledger", "renew", "apply", panel)
        assert too_early.code == 4
        assert "needs 2 approvers, and 0 signed" in too_early.err
        assert "1 to sign" in run("ledger", "renew", "approve", panel, "--key", keys["ada"][0]).out
        twice = run("ledger", "renew", "approve", panel, "--key", keys["ada"][0])
        assert (twice.code, "has signed" in twice.err) == (2, True)
        assert len(answer(run, "renew", "approve", panel, "--key", keys["bob"][0])["signed_by"]) == 2  # type: ignore[arg-type]
        found = answer(run, "renew", "apply", panel)
        assert (found["epoch"], found["entry"], found["left"]) == (2, 2, "epsilon 2 (pure)")
        with Ledger(tmp_path / "home" / "ledger.db", create=False) as books:
            assert books.epoch("panel") == 2
        used = run("ledger", "renew", "apply", panel)
        assert (used.code, "has begun already" in used.err) == (4, True)

    def test_a_stranger_or_a_changed_file_begins_none(
        self, run: Run, keys: dict[str, tuple[Path, Path]], panel: Path
    ) -> None:
        run("ledger", "renew", "approve", panel, "--key", keys["ada"][0])
        before = panel.read_text("utf-8")
        run("ledger", "renew", "approve", panel, "--key", keys["eve"][0])
        assert "not that of an approver" in run("ledger", "renew", "apply", panel).err
        panel.write_text(before, encoding="utf-8")
        run("ledger", "renew", "approve", panel, "--key", keys["bob"][0])
        panel.write_text(panel.read_text("utf-8").replace('"epsilon": "2"', '"epsilon": "9"'), encoding="utf-8")
        changed = run("ledger", "renew", "apply", panel)
        assert (changed.code, "is not one under this renewal" in changed.err) == (4, True)

    @pytest.mark.parametrize(
        "content",
        ["", "[]", "{}", '{"type": 1}', "\x00"],
    )
    def test_another_file_is_refused(self, run: Run, tmp_path: Path, content: str) -> None:
        file = tmp_path / "other.json"
        file.write_text(content, encoding="utf-8")
        refused = run("ledger", "renew", "apply", file)
        assert refused.code == 2
        assert "no renewal that" in refused.err
        assert run("ledger", "renew", "apply", tmp_path / "missing.json").code == 2

    def test_a_field_more_is_refused(self, run: Run, panel: Path) -> None:
        said = json.loads(panel.read_text("utf-8"))
        panel.write_text(json.dumps({**said, "note": "x"}), encoding="utf-8")
        assert run("ledger", "renew", "apply", panel).code == 2


def test_a_key_vouches_for_a_head(run: Run, keys: dict[str, tuple[Path, Path]], tmp_path: Path) -> None:
    run("ledger", "budget", "clinic", "--epsilon", 1, "--delta", 0)
    found = answer(run, "sign", "--key", keys["ada"][0])
    assert found["index"] == 1
    assert answer(run, "verify", "--public-key", keys["ada"][1])["index"] == 2
    other = run("ledger", "verify", "--public-key", keys["bob"][1])
    assert (other.code, "no entry is signed by the key" in other.err) == (4, True)
    missing = run("ledger", "sign", "--key", tmp_path / "none.pem")
    assert (missing.code, "there is no key" in missing.err) == (2, True)
    assert not (tmp_path / "none.pem").exists()
    assert run("ledger", "verify", "--public-key", keys["bob"][0]).code == 2
    assert run("ledger", "verify", "--public-key", tmp_path / "none.pem").code == 2


class TestImportedSpends:
    @pytest.fixture(autouse=True)
    def budget(self, run: Run) -> None:
        assert run("ledger", "budget", "clinic", "--epsilon", 1, "--delta", 0, "--unit", "one row").code == 0

    def test_what_a_tool_wrote_is_charged(self, run: Run, tmp_path: Path) -> None:
        file = tmp_path / "steps.json"
        file.write_text('{"steps": [[0.1, 0], [0.1, 0], [0.1, 0]]}', encoding="utf-8")
        said = ("import-spend", "clinic", "--tool", "smartnoise", "--purpose", "counts")
        found = answer(run, *said, "--file", file, "--ticket", "DP-1")
        assert (found["release"], found["overspent"], found["why"]) == ("declared-smartnoise-sql-DP-1", False, "")
        assert found["left"] == "epsilon 0.7 (pure)"
        again = run("ledger", *said, "--file", file, "--ticket", "DP-1")
        assert (again.code, "declared before" in again.err) == (4, True)
        for both in ((), ("--file", file, "--epsilon", 1)):
            assert run("ledger", *said, *both).code == 2
        file.write_text("[1]", encoding="utf-8")
        assert run("ledger", *said, "--file", file).code == 2

    def test_an_overspend_is_told_and_shown(self, run: Run) -> None:
        said = ("import-spend", "clinic", "--tool", "census", "--purpose", "tables", "--epsilon", 3)
        shown = run("ledger", *said)
        assert shown.code == 0
        assert "overspent: the promise of the budget is broken" in shown.out
        account = run("ledger", "show").out
        assert "OVER     by entry 2, another tool spent more of data set 'clinic' than was left" in account
        assert "300.0 %" in account
        assert "seeded" not in account
        found = answer(run, *said)
        assert (found["overspent"], found["left"]) == (True, "nothing")
        assert answer(run, "verify")["index"] == 3
        refused = run("ledger", "what-if", "clinic", "--release", "a:epsilon=0.001", "--json")
        assert json.loads(refused.out)["refused"] == ["a"]
