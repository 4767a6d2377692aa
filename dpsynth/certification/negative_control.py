"""Negative controls: would the attack suite have found a leak in a table like this one?

Rows of the released table stand in for members, for controls and for an honest release. Leaky twins of the stand-in
members must fail under the attacks that ask who was among the real rows, and the honest draw must not. All of it is a
function of the released table, down to the seed: it costs nobody anything, nobody can try seeds, and whoever holds the
release can do it again.

An ineffective suite is a statement, not a fault of the table: the verdict rests on charges, accountants and canaries,
which do not need the suite. A policy may ask for an effective one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.base import Goal
from dpsynth.attacks.leaky_twins import LEAKY_TWINS, LeakSource
from dpsynth.attacks.records import Records
from dpsynth.attacks.registry import ATTACKS
from dpsynth.attacks.result import Reading, overall_reading
from dpsynth.attacks.suite import run_suite
from dpsynth.certification.document import NegativeControlSection, NegativeControlsSection
from dpsynth.certification.released_table import codes_as_written
from dpsynth.errors import AttackFailed
from dpsynth.progress import phase
from dpsynth.schema.schema import Schema
from dpsynth.schema.table import SyntheticTable

TWINS = ("copy", "noisy-copy", "smote", "copied-tenth")
"""What every suite has to find before its silence means anything.

Twins, sizes and words are part of the published form of a certificate: they do not change within one version of it.
"""

HONEST = "honest draw"
"""Name of the control that must not fail."""

MOST_ROWS = 500
"""More rows than this do not stand in: it has to be cheap enough for every release, and power only grows with rows."""

FEWEST_ROWS = 50
"""With fewer rows than this in each part nothing is tried: no leak could be found."""

_PARTS = 3
_HONEST_DRAWS = 2
"""One false alarm in twenty is allowed, so an honest draw that fails is drawn once more, with other rows as members."""


@dataclass(frozen=True, slots=True)
class NegativeControl:
    """One release that was made to be judged.

    Attributes:
        release: name of the leaky twin, or `HONEST`.
        reading: what the suite said.
        found_by: attacks that fail it, in the order of the registry.
    """

    release: str
    reading: Reading
    found_by: tuple[str, ...]

    @property
    def met(self) -> bool:
        """Whether the suite said what it should."""
        return (self.reading is Reading.FAIL) != (self.release == HONEST)


@dataclass(frozen=True, slots=True)
class NegativeControls:
    """What the suite said about releases that are known to leak, and about one that does not.

    Attributes:
        rows: number of members, of controls and of rows in an honest release.
        attacks: names of the suite's attacks.
        controls: one per leaky twin, then the honest draw; empty where there were too few rows.
    """

    rows: int
    attacks: tuple[str, ...]
    controls: tuple[NegativeControl, ...]

    @property
    def effective(self) -> bool:
        """Whether every leak was found and the honest draw was not accused."""
        return bool(self.controls) and all(control.met for control in self.controls)

    @property
    def statement(self) -> str:
        """What that means, in one or two sentences."""
        return describe(self.rows, ((control.release, control.met) for control in self.controls))

    def section(self) -> NegativeControlsSection:
        """Return the section of the certificate."""
        return NegativeControlsSection(
            rows=self.rows,
            attacks=self.attacks,
            releases=tuple(
                NegativeControlSection(
                    release=control.release,
                    description=_description(control.release),
                    reading=control.reading.value,
                    found_by=control.found_by,
                    met=control.met,
                )
                for control in self.controls
            ),
            effective=self.effective,
            statement=self.statement,
        )


NOT_TRIED = NegativeControls(0, (), ())
"""No control at all."""


def negative_controls(table: SyntheticTable) -> NegativeControls:
    """Return what the suite says when rows of a released table stand in for people.

    Args:
        table: the table that may be exported.

    Privacy: nothing is charged; this is post-processing of the released table, and reads nothing else.
    """
    codes = codes_as_written(table.codes, table.schema)
    rng = np.random.default_rng(_seed(codes))
    people = codes[rng.permutation(table.rows)]
    part = min(MOST_ROWS, table.rows // _PARTS)
    members, controls, fresh = (people[part * place : part * (place + 1)] for place in range(_PARTS))
    return control_suite(members, controls, fresh, table.schema, rng=rng)


def controls_among_people(
    members: NDArray[np.int32],
    controls: NDArray[np.int32],
    reference: NDArray[np.int32],
    schema: Schema,
    *,
    rng: np.random.Generator,
) -> NegativeControls:
    """Return the same with real rows in their own place: half of the controls, and the reference, make honest rows.

    Args:
        members: rows that were trained on.
        controls: rows of the same population that were not.
        reference: further such rows, or none.
        schema: of all three.
        rng: all randomness.

    Privacy: an exact function of real rows; the caller seals it.
    """
    others = rng.permutation(controls)
    fresh = np.concatenate([others[len(others) // 2 :], rng.permutation(reference)])[:MOST_ROWS]
    controls = others[: len(others) // 2][:MOST_ROWS]
    part = min(len(members), len(controls), len(fresh))
    attacked = members[rng.permutation(len(members))[:part]]
    return control_suite(attacked, controls[:part], fresh[:part], schema, rng=rng)


def control_suite(
    members: NDArray[np.int32],
    controls: NDArray[np.int32],
    fresh: NDArray[np.int32],
    schema: Schema,
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> NegativeControls:
    """Return what the suite says about leaky twins of `members` and about an honest release.

    Args:
        members: whose rows are given away.
        controls: exchangeable with them, and not given away.
        fresh: further rows of the population, for the honest part of releases.
        schema: the public columns.
        rng: all randomness.
        confidence: of the suite.

    Privacy: as confidential as the rows. Of rows of a released table it is public; of real ones it belongs into the
    internal report alone.
    """
    attacks = membership_attacks()
    rows = min(len(members), len(controls), len(fresh))
    if rows < FEWEST_ROWS:
        return NegativeControls(rows, attacks, ())

    names = [column.name for column in schema.columns]

    def judged(
        name: str, own: NDArray[np.int32], others: NDArray[np.int32], release: NDArray[np.integer]
    ) -> NegativeControl:
        people, unseen = Records.from_codes(own, schema), Records.from_codes(others, schema)
        try:
            results = run_suite(
                people,
                unseen,
                Records.from_codes(release, schema),
                unseen.take(np.empty(0, dtype=np.intp)),
                rng=rng,
                names=names,
                attacks=attacks,
                confidence=confidence,
            )
        except AttackFailed:
            return NegativeControl(name, Reading.INCONCLUSIVE, ())
        failing = {result.attack for result in results if result.reading is Reading.FAIL}
        return NegativeControl(name, overall_reading(results), tuple(sorted(failing, key=attacks.index)))

    found = []
    source = LeakSource(members, fresh, schema)
    with phase("negative controls", len(TWINS) + 1) as advance:
        for name in TWINS:
            found.append(judged(name, members, controls, LEAKY_TWINS[name].make(source, rng)))
            advance(1)
        honest = judged(HONEST, members, controls, fresh)
        for _ in range(_HONEST_DRAWS - 1):
            if not honest.met:
                members, controls, fresh = controls, fresh, members
                honest = judged(HONEST, members, controls, fresh)
        advance(1)
    return NegativeControls(rows, attacks, (*found, honest))


def membership_attacks() -> tuple[str, ...]:
    """Return the attacks that are tried: those that ask who was a member, which is what twins give away.

    Attacks on secrets, descriptions and links take most of the time of a suite and are about other leaks. Attacks on
    columns that somebody declares have nothing to try here.
    """
    return tuple(
        name
        for name, entry in ATTACKS.items()
        if entry.threat_model.goal is Goal.MEMBERSHIP and not entry.needs_columns
    )


def describe(rows: int, met: Iterable[tuple[str, bool]]) -> str:
    """Return the statement that follows from which controls were met."""
    outcome = dict(met)
    if not outcome:
        return (
            f"The attack suite was not tried on planted leaks: there are {rows:,} rows to stand in for members, and at "
            f"least {FEWEST_ROWS} are needed. Its silence means nothing here."
        )
    missed = [name for name, kept in outcome.items() if not kept and name != HONEST]
    tried = f"with {rows:,} rows in the place of members and as many in the place of controls it"
    if not missed and outcome[HONEST]:
        return (
            f"The attack suite is effective on this schema: {tried} found every planted leak and did not accuse an "
            "honest draw."
        )
    sentences = []
    if missed:
        sentences.append(
            f"The attack suite is ineffective on this schema: {tried} did not find {', '.join(missed)}. That it finds "
            "nothing in the real rows says nothing about such leaks."
        )
    if not outcome[HONEST]:
        sentences.append(
            f"The attack suite is ineffective on this schema: {tried} accused honest draws. That it accuses a release "
            "says nothing."
        )
    return " ".join(sentences)


def problem_of(section: NegativeControlsSection, rows: int) -> str | None:
    """Return how a certificate's negative controls contradict themselves or the size of the table, or None."""
    part = min(MOST_ROWS, rows // _PARTS)
    if section.rows != part:
        return f"{part} rows of the table stand in for members, its negative controls are about {section.rows}"
    expected = () if part < FEWEST_ROWS else (*TWINS, HONEST)
    if tuple(control.release for control in section.releases) != expected:
        return "its negative controls are not the published ones"
    said = [(control.release, control.met) for control in section.releases]
    readings = [(control.reading == Reading.FAIL.value) != (control.release == HONEST) for control in section.releases]
    if [met for _, met in said] != readings or section.effective != (bool(said) and all(readings)):
        return "one of its negative controls contradicts itself"
    if section.statement != describe(section.rows, said):
        return "its statement on the attack suite does not follow from its negative controls"
    if any(control.description != _description(control.release) for control in section.releases):
        return "it describes its negative controls in other words than the published ones"
    return None


def repeated(
    section: NegativeControlsSection, codes: NDArray[np.int32], schema: Schema
) -> NegativeControlsSection | None:
    """Return the section again, from the codes of the released table; None if other attacks are at hand than then."""
    if section.attacks != membership_attacks():
        return None
    return negative_controls(SyntheticTable(schema, codes, spread_seed=0)).section()


def _description(release: str) -> str:
    return (
        "rows of the same population, none of them a member" if release == HONEST else LEAKY_TWINS[release].description
    )


def _seed(codes: NDArray[np.int32]) -> int:
    return int.from_bytes(hashlib.sha256(np.ascontiguousarray(codes, dtype="<i4").tobytes()).digest(), "big")
