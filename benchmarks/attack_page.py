"""The recorded attacks as Markdown tables in the documentation.

Run from the root of the project: `python -m benchmarks.attack_page` rewrites the marked parts of
`docs/attacks/corpus.md` from the files in `benchmarks/results`. Of what was recorded more than once, the newest counts.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.attack_corpus import FRESH_DRAW, GATE_MUST_FAIL, HONEST, Outcome
from benchmarks.attack_generators import OVERFIT, OVERFIT_GAN
from benchmarks.record import RESULTS
from benchmarks.tables.base import PROJECT
from dpsynth.attacks.bounds import clopper_pearson
from dpsynth.attacks.leaky_twins import LEAKY_TWINS

PAGE = PROJECT / "docs" / "attacks" / "corpus.md"
_TABLES = ("adult", "acs", "diabetes", "adult-categorical", "crowded", "odd")
_LARGE = ("adult-all", "adult-distinct", "acs")
_MARKED = re.compile(r"(<!-- corpus ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_SMALLEST = 1e-300
_PARTS_OF_RECORD = ("attack_corpus", "attack_targeted", "attack_speed", "attack_tier")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded outcome and the run that it is from.

    Attributes:
        outcome: what was said about which release.
        command: what was typed.
        when: the start of the run, ISO 8601.
    """

    outcome: Outcome
    command: str
    when: str

    @property
    def asked_rows(self) -> int:
        """How many rows the run asked for; a small table has fewer."""
        return 2_000 if (given := self._given("--rows")) is None else given

    @property
    def other_sizes(self) -> tuple[int | None, int | None]:
        """How many reference and fresh rows the run asked for, where not as many as members."""
        return self._given("--reference"), self._given("--fresh")

    @property
    def declares_secrets(self) -> bool:
        """Whether only some columns had to be shown to be no easier to guess."""
        return "--secrets" in shlex.split(self.command)

    def _given(self, option: str) -> int | None:
        words = shlex.split(self.command)
        return int(words[words.index(option) + 1]) if option in words else None


def recorded(results: Path = RESULTS) -> tuple[Recorded, ...]:
    """Return all recorded outcomes, the newest run last."""
    runs = sorted(_read(results, "attack_corpus")["runs"], key=lambda run: run["surroundings"]["when"])
    return tuple(
        Recorded(_outcome(one), run["command"], run["surroundings"]["when"]) for run in runs for one in run["outcomes"]
    )


def _outcome(one: dict[str, Any]) -> Outcome:
    return Outcome(**{name: tuple(value) if isinstance(value, list) else value for name, value in one.items()})


def must_fail(outcome: Outcome) -> bool:
    """Return whether the release is one that leaks."""
    return outcome.release in LEAKY_TWINS or outcome.release in (OVERFIT, OVERFIT_GAN)


def written_page(text: str, results: Path = RESULTS) -> str:
    """Return the text of the page with every marked part made anew."""
    outcomes = recorded(results)
    files = {name: _read(results, name) for name in _PARTS_OF_RECORD[1:]}
    parts: dict[str, Callable[[], str]] = {
        "leaks": lambda: _table(outcomes, 2_000, _TABLES, "suite", LEAKY_TWINS),
        "gate": lambda: _table(outcomes, 2_000, _TABLES, "gate", GATE_MUST_FAIL),
        "honest": lambda: _table(outcomes, 2_000, _TABLES, "suite", HONEST),
        "large": lambda: _large(outcomes),
        "undecided": lambda: _undecided(outcomes),
        "passing": lambda: _passing(outcomes),
        "other-sizes": lambda: _other_sizes(outcomes),
        "draws": lambda: _draws(outcomes),
        "generators": lambda: _generators(outcomes),
        "overfitted": lambda: _overfitted(outcomes),
        "targeted": lambda: _targeted(files["attack_targeted"]),
        "speed": lambda: _speed(files["attack_speed"]),
        "tier": lambda: _tier(files["attack_tier"]),
    }
    return _MARKED.sub(lambda found: f"{found[1]}\n{parts[found[2]]()}\n{found[3]}", text)


def _read(results: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((results / f"{name}.json").read_text(encoding="utf-8"))
    return found


def _newest(outcomes: Iterable[Recorded], rows: int, judge: str) -> dict[tuple[str, str], Outcome]:
    """Return by table and release what the newest run of that size says."""
    return {
        (one.outcome.table, one.outcome.release): one.outcome
        for one in outcomes
        if (one.asked_rows, *one.other_sizes, one.outcome.judge, one.declares_secrets)
        == (rows, None, None, judge, False)
    }


def _cell(outcome: Outcome | None) -> str:
    """Return what is said and the smallest p-value, bold where it is not what must be said."""
    if outcome is None:
        return ""
    said = outcome.said if (outcome.said == "FAIL") == must_fail(outcome) else f"**{outcome.said}**"
    return f"{said} ({_p_value(outcome.smallest_p)})"


def _p_value(value: float) -> str:
    if value < _SMALLEST:
        return "< 1e-300"
    return f"{value:.2g}" if value >= 1e-3 else f"{value:.0e}"


def _table(outcomes: Sequence[Recorded], rows: int, tables: Sequence[str], judge: str, releases: Iterable[str]) -> str:
    found = _newest(outcomes, rows, judge)
    tables = [name for name in tables if any(table == name and release in releases for table, release in found)]
    lines = [
        [release, *(_cell(found.get((table, release))) for table in tables)]
        for release in releases
        if any((table, release) in found for table in tables)
    ]
    return _lines(["release", *tables], lines)


def _large(outcomes: Sequence[Recorded]) -> str:
    suite, gate = (_newest(outcomes, 10_000, judge) for judge in ("suite", "gate"))
    columns = {
        f"{table}, {judge}": (table, found)
        for judge, found in (("suite", suite), ("gate", gate))
        for table in _LARGE
        if any(table == each for each, _ in found)
    }
    lines = [
        [release, *(_cell(found.get((table, release))) for table, found in columns.values())]
        for release in (*LEAKY_TWINS, *HONEST)
    ]
    return _lines(["release", *columns], lines)


def _undecided(outcomes: Sequence[Recorded]) -> str:
    fresh = _newest(outcomes, 10_000, "suite")["adult-distinct", "fresh draw"]
    names = ",\n".join(f"`{attack}`" for attack in fresh.undecided_by)
    return f"Undecided about the fresh draw of {fresh.rows:,} distinct rows are, in some variant:\n{names}.\n"


def _passing(outcomes: Sequence[Recorded]) -> str:
    """Return what is said about releases where a secret is declared and people are enough for one to pass."""
    lines = [
        [
            one.outcome.table,
            one.outcome.release,
            f"{one.outcome.rows:,}",
            _cell(one.outcome),
            f"{one.outcome.seconds:.0f} s",
        ]
        for one in outcomes
        if one.declares_secrets
    ]
    return _lines(["table", "release", "members", "suite", "processor time"], lines)


def _other_sizes(outcomes: Sequence[Recorded]) -> str:
    lines = []
    for one in outcomes:
        if any(one.other_sizes):
            members = one.outcome.rows
            reference, fresh = (f"{size or members:,}" for size in one.other_sizes)
            lines.append([one.outcome.table, one.outcome.release, f"{members:,}", reference, fresh, _cell(one.outcome)])
    return _lines(["table", "release", "members", "reference", "released", "suite"], lines)


def _draws(outcomes: Sequence[Recorded]) -> str:
    draws = [one.outcome for one in outcomes if one.outcome.release == FRESH_DRAW]
    failed, passed = (sum(draw.said == said for draw in draws) for said in ("FAIL", "PASS"))
    alarms = sum(draw.smallest_p <= 0.05 for draw in draws)
    sides = clopper_pearson(failed, len(draws), confidence=0.975)
    share, lower, upper = (f"{100 * part:.1f}" for part in (sides.estimate, sides.lower, sides.upper))
    return (
        f"Of {len(draws)} fresh draws of 100 rows each, {failed} read FAIL: {share} %, with a 95 % interval\n"
        f"(Clopper-Pearson) from {lower} to {upper} %; promised are at most 5 %. {alarms} had some corrected p-value\n"
        f"of 5 % or less, and {passed} read PASS: a hundred rows are too few to show that nothing leaks.\n"
    )


def _generators(outcomes: Sequence[Recorded]) -> str:
    found = {place: outcome for place, outcome in _newest(outcomes, 2_000, "suite").items() if ", epsilon " in place[1]}
    names = dict.fromkeys(release for _, release in found)

    def place(name: str) -> tuple[int, float]:
        system, _, epsilon = name.partition(", epsilon ")
        return list(dict.fromkeys(each.partition(",")[0] for each in names)).index(system), float(epsilon)

    tables = [table for table in _TABLES if any(table == each for each, _ in found)]
    ordered = sorted(names, key=place)
    return _lines(
        ["generator", *tables], [[name, *(_cell(found.get((table, name))) for table in tables)] for name in ordered]
    )


def _overfitted(outcomes: Sequence[Recorded]) -> str:
    suite, gate = (_newest(outcomes, 2_000, judge) for judge in ("suite", "gate"))
    return _lines(
        ["network", "suite", "canary gate"],
        [[name, *(_cell(found.get(("adult", name))) for found in (suite, gate))] for name in (OVERFIT, OVERFIT_GAN)],
    )


def _targeted(found: dict[str, Any]) -> str:
    lines = []
    for one in found["targets"]:
        auc = one["auc"]
        lines.append(
            [
                one["kind"],
                f"{auc['estimate']:.3f} ({auc['lower']:.3f} to {auc['upper']:.3f})",
                f"{one['mu_lower']:.2f}",
                f"{one['epsilon_lower']:.2f}",
                _p_value(one["adjusted_p_value"]),
                "caught" if one["is_caught"] else "not caught",
            ]
        )
    table = _lines(["target", "AUC", "mu above", "epsilon above", "adjusted p-value", ""], lines)
    return f"{found['rows']:,} training rows; {found['cpu_seconds']:.0f} processor seconds.\n\n{table}"


def _speed(found: dict[str, Any]) -> str:
    lines = []
    for name, measure in found["measures"].items():
        peer, _, theirs = name.partition(": ")
        seconds = [f"{measure[side]['cpu_seconds']:.2f} s" for side in ("theirs", "ours")]
        lines.append([f"{peer}: {theirs} / `{measure['attack']}`", *seconds, f"{measure['ratio']:.1f}"])
    return _lines(["measure", "theirs", "ours", "ratio"], lines)


def _tier(found: dict[str, Any]) -> str:
    return (
        f"{found['members']:,} members, {found['controls']:,} controls, {found['reference']:,} reference and "
        f"{found['synthetic']:,} released rows\nof {found['columns']} columns: {found['cpu_seconds']:.0f} processor "
        f"seconds, {found['seconds']:.0f} seconds on the wall, at most {found['peak_mb']} MB of memory.\n"
    )


def _lines(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    shown = [header, ["---"] * len(header), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in shown) + "\n"


def main() -> None:
    """Rewrite the marked parts of the page."""
    PAGE.write_text(written_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
