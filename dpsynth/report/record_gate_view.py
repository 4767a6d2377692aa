"""The record gate on the page: how much more often the table matches its members, beside what is tolerated.

What the gate would have shown stands beside what it did show; without it an interval says little to a layman.
"""

from __future__ import annotations

from dataclasses import dataclass

from dpsynth.certification.document import CertificateDocument
from dpsynth.certification.gate_document import RecordGateSection
from dpsynth.certification.power import share_of, smallest_excesses
from dpsynth.report.drawing import CLAIM, FAINT, INK, SEEN, canvas
from dpsynth.report.wording import percent

POWER = 0.8
_HEIGHT = 2.3
_NAMES = ("an equal row", "a near or equal row")


@dataclass(frozen=True, slots=True)
class ExcessRow:
    """One kind of match.

    Attributes:
        name: what people have in the table.
        members: estimated share of those in training that have one.
        controls: the same of those held back.
        lower: lower bound on the excess.
        upper: upper bound on it.
        tolerance: what the policy allows.
        smallest: excess that fails the gate with probability 80 %; None where none does.
    """

    name: str
    members: float
    controls: float
    lower: float
    upper: float
    tolerance: float
    smallest: float | None

    @property
    def excess(self) -> float:
        """Estimated excess, noise and all, within its bounds."""
        return min(max(self.members - self.controls, self.lower), self.upper)

    @property
    def bounds(self) -> str:
        """Both bounds in words, with a minus sign where they are negative."""
        return f"{_signed(self.lower)} to {_signed(self.upper)}"


@dataclass(frozen=True, slots=True)
class RecordGateView:
    """What the page shows of an answered record gate.

    Attributes:
        section: of the certificate.
        rows: equal rows, then near or equal ones.
        people: noisy number of people in training and held back.
    """

    section: RecordGateSection
    rows: tuple[ExcessRow, ...]
    people: tuple[int, int]


def record_gate_of(document: CertificateDocument) -> RecordGateView | None:
    """Return the numbers of a record gate; None where it was not asked or not answered."""
    section = document.record_gate
    if section is None or not len(section.members) == len(section.controls) == len(_NAMES) + 1:
        return None
    bounds = ((section.copy_lower, section.copy_upper), (section.near_lower, section.near_upper))
    tolerances = (section.copy_tolerance, section.tolerance)
    people = sum(section.members), sum(section.controls)
    rows, smallest = [], smallest_excesses(section)
    for cells, (name, (lower, upper), tolerance) in enumerate(zip(_NAMES, bounds, tolerances, strict=True), start=1):
        members, controls = share_of(section.members, cells), share_of(section.controls, cells)
        rows.append(ExcessRow(name, members, controls, lower, upper, tolerance, smallest[cells - 1]))
    return RecordGateView(section, tuple(rows), people)


def record_gate_picture(view: RecordGateView) -> str:
    """Return excess, bounds and tolerances as an SVG element; the same input gives the same text."""
    with canvas("record-gate", _description(view), height=_HEIGHT) as drawn:
        axes = drawn.axes
        axes.axvline(0, color=INK, linewidth=0.8)
        for place, row in enumerate(view.rows):
            bounded = "95 % bounds" if view.section.significance == 0.05 else "bounds"
            axes.plot(
                [100 * row.lower, 100 * row.upper],
                [place, place],
                color=CLAIM,
                linewidth=5,
                solid_capstyle="butt",
                label=None if place else f"excess, with {bounded}",
            )
            axes.plot([100 * row.excess], [place], marker="o", markersize=8, linestyle="none", color=CLAIM)
            axes.plot(
                [100 * row.tolerance] * 2,
                [place - 0.36, place + 0.36],
                color=SEEN,
                linewidth=3,
                label=None if place else "tolerated",
            )
        axes.set_yticks(range(len(view.rows)), [row.name for row in view.rows])
        axes.set_ylim(len(view.rows) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("people in training beyond people held back, % of them", color=INK)
        axes.grid(axis="x", color=FAINT, linewidth=0.6)
        drawn.figure.legend(loc="outside upper right", ncols=2, frameon=False, labelcolor=INK)
    return drawn.svg


def record_gate_power(view: RecordGateView) -> str:
    """Return in words what so many people could have shown."""
    inside, outside = view.people
    found = [
        f"{percent(row.smallest)} more of the people in training than of those held back have {row.name}"
        for row in view.rows
        if row.smallest is not None
    ]
    people = f"With about {inside:,} people in training and {outside:,} held back"
    if not found:
        return f"{people} no leak, however large, would surely have been shown: the count says nothing here."
    return (
        f"{people}, and this much noise, the count fails a table four times out of five where "
        f"{', or where '.join(found)}. About a smaller leak it says only what the bounds say."
    )


def _signed(share: float) -> str:
    return f"\N{MINUS SIGN}{percent(-share)}" if share < 0 else percent(share)


def _description(view: RecordGateView) -> str:
    said = "; ".join(f"{row.name}: {row.bounds}, tolerated {percent(row.tolerance)}" for row in view.rows)
    return f"By how much the share of people with a match is larger in training than among those held back. {said}."
