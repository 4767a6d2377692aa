"""A release that dies anywhere is resumed for nothing, and ends as one that did not die: certified, with one charge."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch", reason="needs the neural extra")
pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("few_attacks")]

import dpsynth.release_job as flow  # noqa: E402
from dpsynth.accounting.budget import PrivacyBudget  # noqa: E402
from dpsynth.certification.certificate import Override  # noqa: E402
from dpsynth.certification.verify import verify_release  # noqa: E402
from dpsynth.curator.gradients import StepAllowance  # noqa: E402
from dpsynth.curator.record_matches import RECORD_GATE  # noqa: E402
from dpsynth.errors import BundleError, InvalidInput, LedgerError, TableError  # noqa: E402
from dpsynth.generators.answer_tape import AnswerTape  # noqa: E402
from dpsynth.generators.dpctgan import DPCTGAN  # noqa: E402
from dpsynth.generators.dptvae import DPTVAE  # noqa: E402
from dpsynth.ledger import EntryKind, Ledger  # noqa: E402
from dpsynth.release import release  # noqa: E402
from dpsynth.resume import resume_release  # noqa: E402
from dpsynth.schema.schema import Schema  # noqa: E402
from tests.faults.children import Say, die, start  # noqa: E402

TEXT = """
name: clinic
fields:
  - {name: smoker, type: boolean}
  - {name: stage, type: string, categories: [none, early, late]}
  - name: age
    type: integer
    constraints: {minimum: 0, maximum: 99}
    dpsynth: {bins: 5}
dpsynth: {unit: {kind: row}, public_rows: 50000}
"""
SCHEMA = Schema.from_text(TEXT)
STEPS = 6
SMALL = DPCTGAN(  # three critics that see all of a row, and one behind a gate for each of three columns
    components=8,
    hidden=8,
    critics=3,
    gates=1,
    units=2,
    generator_steps=1,
    warm_steps=1,
    last_steps=1,
    adversarial_share=0.5,
)
BUDGET = PrivacyBudget(1, "1e-6")
WHY = Override(by="A. Tester", reason="a test has too few rows for a PASS")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPSYNTH_HOME", str(tmp_path / "home"))
    torch.set_num_threads(1)


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    with Ledger(tmp_path / "ledger.db") as books:
        books.set_budget("clinic", PrivacyBudget(4, "1e-5"), unit="one row", event_delta="5e-6")
        yield books


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "smoker": rng.random(500) < 0.3,
            "stage": rng.choice(["none", "early", "late"], 500),
            "age": rng.integers(0, 100, 500),
        }
    )
    frame.to_csv(tmp_path / "clinic.csv", index=False)
    return tmp_path / "clinic.csv"


def begin(data: Path, ledger: Ledger, **changed: Any) -> Any:
    place = data.parent
    given: dict[str, Any] = {"out": place / "out", "generator": SMALL, "override": WHY, "checkpoint": place / "kept"}
    return release(data, SCHEMA, BUDGET, ledger=ledger, **(given | changed))


def resume(data: Path, ledger: Ledger, **changed: Any) -> Any:
    return resume_release(data.parent / "kept", ledger=ledger, **({"generator": SMALL, "override": WHY} | changed))


def dying(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: int) -> Callable[[], None]:
    """Let the call of `name` after `after` calls end like `Ctrl-C`; returns what counts it no more."""
    real, calls = getattr(owner, name), [0]

    def counted(*given: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] > after:
            raise KeyboardInterrupt
        return real(*given, **named)

    monkeypatch.setattr(owner, name, counted)
    return lambda: monkeypatch.setattr(owner, name, real)


def reserved(ledger: Ledger) -> list[tuple[str, Any]]:
    """Return what was reserved for the model: everything but the one question about the finished table."""
    asked = [(entry.purpose, entry.event) for entry in ledger.entries() if entry.kind is EntryKind.RESERVE]
    return [reservation for reservation in asked if reservation[0] != RECORD_GATE]


def check_one_charge(ledger: Ledger) -> None:
    """Check that marginals, training and the question about the finished table were each charged once."""
    ledger.verify()
    entries = ledger.entries()
    asked = [entry.purpose for entry in entries if entry.kind is EntryKind.RESERVE]
    assert len(asked) == len(set(asked)) == 3
    assert RECORD_GATE in asked
    assert [entry.kind for entry in entries].count(EntryKind.SETTLE) == 3
    assert {entry.release_id for entry in entries if entry.kind is EntryKind.RESERVE}.__len__() == 1


def gradients(folder: Path) -> int:
    return sum(b'\\"gradient\\"' in path.read_bytes() for path in folder.glob("answers/answers-*"))


def test_a_release_that_is_not_interrupted_keeps_its_answers(data: Path, ledger: Ledger) -> None:
    made = begin(data, ledger)
    assert made.folder.is_dir()
    check_one_charge(ledger)
    assert gradients(data.parent / "kept") == STEPS
    with pytest.raises(BundleError, match="judged before"):
        resume(data, ledger)


@pytest.mark.parametrize("after", [0, 1, 4])
def test_interrupted_while_it_trains(data: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    undo = dying(monkeypatch, StepAllowance, "charge", after=after)
    with pytest.raises(KeyboardInterrupt):
        begin(data, ledger)
    undo()
    charged = reserved(ledger)
    made = resume(data, ledger)
    assert made.folder.is_dir()
    assert reserved(ledger) == charged
    check_one_charge(ledger)
    certificate = made.certificate.document
    assert [check.name for check in certificate.checks if check.verdict == "FAIL"] == []
    assert "implementation audits" in {check.name for check in certificate.checks if check.verdict == "PASS"}
    opened = verify_release(made.folder, commitment=made.internal_folder)
    assert opened.problems == ()
    assert "model and seed give its table" in opened.checks[-1].explanation
    assert len(certificate.attempts) == 1
    assert gradients(data.parent / "kept") == STEPS


def test_an_autoencoder_is_resumed_too(data: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    small = DPTVAE(
        components=8, hidden=8, rounds=6, units=2, decoder_steps=1, warm_steps=1, last_steps=1, training_share=0.5
    )
    undo = dying(monkeypatch, StepAllowance, "charge", after=4)
    with pytest.raises(KeyboardInterrupt):
        begin(data, ledger, generator=small)
    undo()
    charged = reserved(ledger)
    assert resume(data, ledger, generator=small).folder.is_dir()
    assert reserved(ledger) == charged
    check_one_charge(ledger)
    assert gradients(data.parent / "kept") == small.rounds


@pytest.mark.parametrize(
    ("owner", "name", "after"),
    [
        (StepAllowance, "charge", 1),
        (StepAllowance, "charge", 4),
        (AnswerTape, "append", 3),
        (flow, "internal_audit", 0),
    ],
    ids=lambda given: getattr(given, "__name__", given),
)
def test_killed_in_the_middle_it_is_resumed_in_another_process(
    data: Path, tmp_path: Path, owner: Any, name: str, after: int
) -> None:
    """`kill -9`: nothing is settled, closed or flushed. A later process finds folder and ledger as they were left."""
    place = tmp_path / "ledger.db"
    with Ledger(place) as books:
        books.set_budget("clinic", PrivacyBudget(4, "1e-5"), unit="one row", event_delta="5e-6")

    def killed(say: Say) -> None:
        real, calls = getattr(owner, name), [0]

        def counted(*given: Any, **named: Any) -> Any:
            calls[0] += 1
            if calls[0] > after:
                die()
            return real(*given, **named)

        setattr(owner, name, counted)
        with Ledger(place, create=False) as books:
            begin(data, books)

    lines, code = start(killed).finish()
    assert code == -9, lines
    assert not (tmp_path / "out").exists()
    with Ledger(place, create=False) as books:
        books.verify()
        charged = reserved(books)
        made = resume(data, books, internal_folder=tmp_path / "internal-2")
        assert made.folder.is_dir()
        assert reserved(books) == charged
        check_one_charge(books)
        claims = [entry.steps for entry in books.entries() if entry.kind is EntryKind.STEPS]
        assert claims == [1, 2, 3, 4, 5, 6]
        check_kept_answer(made, (tmp_path / "kept" / "matches.json").read_bytes())
        with pytest.raises(BundleError, match="judged before"):
            resume(data, books)


@pytest.mark.parametrize("name", ["internal_audit", "facts_of", "assess"])
def test_interrupted_after_it_was_trained(
    data: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    undo = dying(monkeypatch, flow, name, after=0)
    with pytest.raises(KeyboardInterrupt):
        begin(data, ledger)
    undo()
    place = data.parent / "kept" / "matches.json"
    answer = place.read_bytes()
    if name == "facts_of":
        place.unlink()
    made = resume(data, ledger, internal_folder=data.parent / "internal-2")
    check_one_charge(ledger)
    if name != "facts_of":
        check_kept_answer(made, answer)
        return
    section = made.certificate.document.record_gate  # not asked twice, so not decided
    assert (section.verdict, section.members) == ("INCONCLUSIVE", ())


def check_kept_answer(made: Any, answer: bytes) -> None:
    """Check that the release was judged by the numbers that its first life paid for."""
    section, said = made.certificate.document.record_gate, json.loads(answer)
    assert [[*section.members], [*section.controls], section.noise_stddev] == [
        said["members"],
        said["controls"],
        said["stddev"],
    ]
    assert "matches of members and controls" in {charge.purpose for charge in made.certificate.document.claim.charges}
    assert verify_release(made.folder).problems == ()


def test_what_is_played_again_makes_the_same_table(data: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """So to be interrupted between a table and its verdict is no second try."""
    tables: list[Any] = []
    judge = flow.CanaryPlan.judge

    def seen(self: Any, sampled: Any, *given: Any) -> Any:
        tables.append((self.coins, sampled.codes))
        return judge(self, sampled, *given)

    monkeypatch.setattr(flow.CanaryPlan, "judge", seen)
    undo = dying(monkeypatch, flow, "internal_audit", after=0)
    with pytest.raises(KeyboardInterrupt):
        begin(data, ledger)
    undo()
    resume(data, ledger)
    for first, later in zip(*tables, strict=True):
        np.testing.assert_array_equal(first, later)


def test_what_other_code_has_begun_is_not_ended_under_audits_of_this_one(
    data: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    undo = dying(monkeypatch, StepAllowance, "charge", after=2)
    with pytest.raises(KeyboardInterrupt):
        begin(data, ledger)
    undo()
    monkeypatch.setattr("dpsynth.certification.facts.software_digest", lambda: "f" * 64)
    before = len(ledger.entries())
    with pytest.raises(InvalidInput, match="begun by other code than what runs here"):
        resume(data, ledger, override=None)
    assert len(ledger.entries()) == before
    certificate = resume(data, ledger).certificate
    assert certificate.document.audits.missing == ("L0", "L1", "L2")
    check = next(each for each in certificate.document.checks if each.name == "implementation audits")
    assert check.verdict == "INCONCLUSIVE"
    assert "begun by other code than what ended it" in check.value


class TestAdversaries:
    @pytest.fixture(autouse=True)
    def interrupted(self, data: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        undo = dying(monkeypatch, StepAllowance, "charge", after=3)
        with pytest.raises(KeyboardInterrupt):
            begin(data, ledger)
        undo()

    def answers(self, data: Path, name: str = "kept") -> list[Path]:
        return sorted((data.parent / name / "answers").glob("answers-*.safetensors"))

    def test_an_old_copy_resumed_twice_answers_no_step_twice(
        self, data: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        steps: list[int] = []
        charge = StepAllowance.charge

        def heard(self: StepAllowance, *given: Any) -> None:
            charge(self, *given)
            steps.append(self.taken)

        shutil.copytree(data.parent / "kept", data.parent / "copy")
        monkeypatch.setattr(StepAllowance, "charge", heard)
        undo = dying(monkeypatch, flow, "internal_audit", after=0)
        for name in ("kept", "copy"):
            with pytest.raises(KeyboardInterrupt):
                resume_release(data.parent / name, ledger=ledger, generator=SMALL, override=WHY)
        undo()
        assert steps == [4, 5, 6]

    def test_answers_that_were_added_are_refused(self, data: Path, ledger: Ledger) -> None:
        last = self.answers(data)[-1]
        for place in range(5, 9):
            shutil.copy(last, last.with_name(f"answers-{place:06}.safetensors"))
        with pytest.raises(InvalidInput, match="stands in the wrong place"):
            resume(data, ledger)

    def test_answers_that_are_forged_whole_are_more_than_the_ledger_knows(self, data: Path, ledger: Ledger) -> None:
        from dpsynth.certification.checkpoint import CheckpointFolder

        tape = CheckpointFolder.load(data.parent / "kept").tape
        recorded = tape.read()
        for place in range(len(recorded) + 1, len(recorded) + 4):
            tape.append(place, recorded[-1])
        with pytest.raises(InvalidInput, match="more answers are recorded than the ledger knows of"):
            resume(data, ledger)

    def test_an_edited_step_or_number_is_found(self, data: Path, ledger: Ledger) -> None:
        for before, after in ((b'\\"step\\":3', b'\\"step\\":1'), (b'\\"format\\":2', b'\\"format\\":1')):
            path = self.answers(data)[-1]
            content = path.read_bytes()
            assert before in content
            path.write_bytes(content.replace(before, after))
            with pytest.raises(InvalidInput, match="damaged"):
                resume(data, ledger)
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            with pytest.raises(InvalidInput, match="damaged"):
                resume(data, ledger)
            path.write_bytes(content)

    def test_a_step_number_edited_in_a_whole_forgery_gives_no_step_back(
        self, data: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for path in self.answers(data)[-2:]:
            path.unlink()
        before = [entry.steps for entry in ledger.entries() if entry.kind is EntryKind.STEPS]
        resume(data, ledger)
        claims = [entry.steps for entry in ledger.entries() if entry.kind is EntryKind.STEPS]
        assert claims[: len(before)] == before
        assert claims == [1, 2, 3, 4, 5, 6]
        assert gradients(data.parent / "kept") == 4  # two answers are lost

    def test_other_rows_are_refused(self, data: Path, ledger: Ledger) -> None:
        text = data.read_text().splitlines()
        data.write_text("\n".join([*text[:-1], "True,late,7"]) + "\n")
        with pytest.raises(TableError, match="not the rows"):
            resume(data, ledger)

    def test_another_generator_is_refused(self, data: Path, ledger: Ledger) -> None:
        with pytest.raises(InvalidInput, match="other ones than when the release began"):
            resume(data, ledger, generator=DPCTGAN(components=9, critics=6))
        with pytest.raises(InvalidInput, match="no name"):
            resume_release(data.parent / "kept", ledger=ledger)

    def test_another_ledger_is_refused(self, data: Path, tmp_path: Path) -> None:
        with Ledger(tmp_path / "other.db") as other:
            other.set_budget("clinic", BUDGET, unit="one row", event_delta="5e-7")
            with pytest.raises((LedgerError, InvalidInput)):
                resume(data, other)
            assert not any(entry.kind is EntryKind.SETTLE for entry in other.entries())

    def test_a_folder_that_a_process_works_on_is_refused(self, data: Path, ledger: Ledger) -> None:
        from dpsynth.certification.checkpoint import CheckpointFolder

        with CheckpointFolder.load(data.parent / "kept").held(), pytest.raises(BundleError, match="another process"):
            resume(data, ledger)

    @pytest.mark.parametrize("changed", [{"coins": 3}, {"more": 1}, {"format": 3}, {"rows": True}])
    def test_an_order_of_another_form_is_refused(self, data: Path, ledger: Ledger, changed: dict[str, Any]) -> None:
        path = data.parent / "kept" / "release.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
        with pytest.raises(InvalidInput, match="damaged"):
            resume(data, ledger)

    def test_an_order_that_the_ledger_does_not_bind_is_refused(self, data: Path, ledger: Ledger) -> None:
        """Another seed or another number of rows would be a second try; this table has no canaries to draw again."""
        path = data.parent / "kept" / "release.json"
        order = json.loads(path.read_text())
        for changed in ({"seed": "1"}, {"rows": 7}, {"salt": "0" * 64}):
            path.write_text(json.dumps({**order, **changed}))
            with pytest.raises(InvalidInput, match="binds this release to another seed"):
                resume(data, ledger)

    def test_an_order_of_before_commitments_names_the_version_that_can_resume_it(
        self, data: Path, ledger: Ledger
    ) -> None:
        path = data.parent / "kept" / "release.json"
        order = json.loads(path.read_text())
        del order["salt"]
        path.write_text(json.dumps({**order, "format": 1}))
        with pytest.raises(InvalidInput, match="Resume it with the version that began it"):
            resume(data, ledger)

    def test_everything_in_the_folder_is_for_its_owner_and_nothing_is_a_pickle(self, data: Path) -> None:
        for path in (data.parent / "kept").rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path
            if path.is_file():
                assert path.suffix in {".safetensors", ".json", ""}
                assert b"Zebulon" not in path.read_bytes()


def test_a_folder_is_never_used_twice(data: Path, ledger: Ledger) -> None:
    (data.parent / "kept").mkdir()
    with pytest.raises(BundleError, match="exists already"):
        begin(data, ledger)
    assert not any(entry.kind is EntryKind.RESERVE for entry in ledger.entries())


def test_what_does_not_train_has_nothing_to_resume(data: Path, ledger: Ledger) -> None:
    with pytest.raises(InvalidInput, match="no noisy gradients"):
        begin(data, ledger, generator="mst")
