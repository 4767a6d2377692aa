"""The internal audit beside a neighbour: whatever the rows are, all that differs is inside the internal report.

The gate's answers are those of the first table, so nothing that is public may differ: not the screen, not a warning, an
error or a file, not the ledger. Twins that show rows in each of these ways must be caught.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dpsynth.attacks import ATTACKS, Records, attacked_release, shown_steps, suite
from dpsynth.certification import audit, record_gate
from dpsynth.progress import phase
from dpsynth.report import render_internal_report
from privacy_audits.replay.replay import replayed
from privacy_audits.replay.scenes import PEOPLE, PLAIN, ROWS, Scene, known_scenes
from tests.conformance import audit_room
from tests.short_suite import shorten

TEN = [{**PLAIN, "smoker": place % 2 == 0, "age": 9 * place, "stage": "none"} for place in range(10)]
ONE_MORE = Scene.of("one more row", ROWS, TEN, [PLAIN])

Leak = Callable[[Records], None]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare the gate's numbers: what follows from them is public arithmetic."""
    monkeypatch.setattr(record_gate, "weigh_matches", lambda counts, policy: counts)


class Stopped(BaseException):
    """What is no error, and no interrupt of a person either."""


def has_the_unit(targets: Records) -> bool:
    return bool((targets.values[:, 1] == 2).any())  # the only one in a late stage


def prints(targets: Records) -> None:
    print(f"looking at {len(targets)} rows")


def prints_behind(targets: Records) -> None:
    print(targets.values.sum(), file=sys.stderr)


def writes_to_the_descriptor(targets: Records) -> None:
    os.write(2, f"{len(targets)} rows".encode())  # as a library written in C does


def warns(targets: Records) -> None:
    warnings.simplefilter("always")  # as another thread may have reset what the suite had set
    warnings.warn(f"{len(targets)} rows", stacklevel=1)


def warns_whatever_is_done(targets: Records) -> None:
    warnings.showwarning = warnings._showwarning_orig  # type: ignore[attr-defined] # no library does that
    warns(targets)


def logs(targets: Records) -> None:
    logging.getLogger("attack").warning("%d rows", len(targets))


def shows_progress(targets: Records) -> None:
    with phase("attack", len(targets)) as advance:
        advance(len(targets))


def writes(targets: Records) -> None:
    Path("rows.txt").write_text(str(len(targets)), encoding="utf-8")


def writes_its_name(targets: Records) -> None:
    Path(f"internal-{len(targets)}").mkdir()


def stops(targets: Records) -> None:
    if has_the_unit(targets):
        raise Stopped


def raises(targets: Records) -> None:
    if has_the_unit(targets):
        raise ValueError(f"{len(targets)} rows: {targets.values[0]}")


def keeps_quiet(targets: Records) -> None:
    del targets


def plant(leak: Leak, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an attack of the suite also do `leak`, and run no other."""

    class Twin:
        def score(
            self, targets: Records, synthetic: Records, reference: Records, *, rng: np.random.Generator
        ) -> np.ndarray:
            leak(targets)
            return np.zeros(len(targets))

    twin = replace(ATTACKS["nearest-neighbour"], load=Twin)
    shorten(monkeypatch)
    monkeypatch.setattr(suite, "attack_entry", lambda name: twin if name == twin.name else ATTACKS[name])


def differences(*scenes: Scene) -> dict[str, tuple[str, ...]]:
    return {scene.name: found.differences for scene, found in replayed(audit_room.audited, scenes) if found.differences}


@pytest.mark.parametrize("schema", [ROWS, PEOPLE], ids=["rows", "people"])
def test_nothing_outside_of_the_findings_depends_on_one_unit(schema: object, monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)
    assert differences(*known_scenes(schema)) == {}


def test_the_scenes_have_members_and_controls(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[tuple[bool, bool]] = set()
    plant(keeps_quiet, monkeypatch)
    keep = audit.attack_release

    def noted(members: Records, controls: Records, *given: Records, **named: object) -> object:
        seen.add((len(members) > 1, len(controls) > 1))
        return keep(members, controls, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(audit, "attack_release", noted)
    assert differences(ONE_MORE) == {}
    assert seen == {(True, True)}


def test_neither_does_it_with_every_attack_and_the_whole_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_room, "render", render_internal_report)
    assert differences(ONE_MORE) == {}


@pytest.mark.parametrize("leak", [keeps_quiet, raises, shows_progress, warns])
def test_what_the_suite_keeps_to_itself_is_nobodys_business(leak: Leak, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(leak, monkeypatch)
    assert differences(ONE_MORE) == {}


@pytest.mark.parametrize(
    ("leak", "seen"),
    [
        (prints, "what is published"),
        (prints_behind, "what is published"),
        (writes_to_the_descriptor, "what is published"),
        (logs, "what is published"),
        (writes, "what is published"),
        (writes_its_name, "what is published"),
        (stops, "what is published"),
        (warns_whatever_is_done, "what is warned of"),
    ],
)
def test_an_attack_that_shows_rows_is_caught(leak: Leak, seen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(leak, monkeypatch)
    assert f"{seen} differs" in differences(ONE_MORE)[ONE_MORE.name]


def test_a_suite_that_lets_errors_out_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(raises, monkeypatch)
    for module in (suite, audit):
        monkeypatch.setattr(module, "Exception", Stopped, raising=False)
    assert "what is raised differs" in differences(ONE_MORE)[ONE_MORE.name]


def test_a_suite_that_lets_warnings_out_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(warns, monkeypatch)
    monkeypatch.setattr(shown_steps, "_not_shown", warnings.showwarning)
    assert "what is warned of differs" in differences(ONE_MORE)[ONE_MORE.name]


def test_a_suite_that_lets_progress_out_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(shows_progress, monkeypatch)
    monkeypatch.setattr(shown_steps, "unreported", nullcontext)
    assert "what who waits is told differs" in differences(ONE_MORE)[ONE_MORE.name]


def test_a_suite_that_cannot_begin_is_nobodys_business(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(keeps_quiet, monkeypatch)
    strata_of = attacked_release.strata_of

    def by_rows(targets: Records, *given: object) -> object:
        raises(targets)
        return strata_of(targets, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(attacked_release, "strata_of", by_rows)
    assert differences(ONE_MORE) == {}


def test_a_report_that_cannot_be_made_is_nobodys_business(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)
    made = audit.AuditReport.to_json

    def by_rows(report: audit.AuditReport) -> object:
        return {**made(report), "share": float("nan") if report.members + report.controls > len(TEN) else 0.5}

    monkeypatch.setattr(audit.AuditReport, "to_json", by_rows)
    assert differences(ONE_MORE) == {}
