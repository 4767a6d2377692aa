"""What the planted rows could have shown: the smallest leak that so many of them find, with this release marked.

A test that finds nothing says little until it is known what it would have found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dpsynth.certification.document import CertificateDocument
from dpsynth.certification.power import significance_of, smallest_leak
from dpsynth.report.drawing import CLAIM, DASHED, FAINT, INK, SEEN, canvas
from dpsynth.report.wording import percent

_SIZES = (50, 70, 100, 140, 200, 280, 400, 560, 800, 1_130, 1_600, 2_260, 3_200)
_TABLE = (50, 100, 200, 400, 800, 1_600, 3_200)
_TICKS = (50, 100, 200, 400, 800, 1_600, 3_200)


@dataclass(frozen=True, slots=True)
class PowerRow:
    """One point of the curve.

    Attributes:
        canaries: how many are drawn; half of them are planted.
        smallest: share of the planted rows that must be given away to be found with probability 80 %; None where even
            giving away all of them would not be found.
        this: whether these are the numbers of this release.
    """

    canaries: int
    smallest: float | None
    this: bool = False


@dataclass(frozen=True, slots=True)
class PowerCurve:
    """The curve, and the point of this release.

    Attributes:
        points: by the number of canaries.
        this: the release.
    """

    points: tuple[PowerRow, ...]
    this: PowerRow

    @property
    def rows(self) -> tuple[PowerRow, ...]:
        """The numbers for the table: round ones, and this release's own."""
        listed = [point for point in self.points if point.canaries in _TABLE and point.canaries != self.this.canaries]
        return tuple(sorted([*listed, self.this], key=lambda point: point.canaries))


def power_curve_of(document: CertificateDocument) -> PowerCurve | None:
    """Return what canaries find at the claim of a certificate; None where none were drawn."""
    canaries = document.canaries
    if not canaries.drawn > canaries.included > 0:
        return None
    epsilon, delta = float(document.claim.epsilon), float(document.claim.delta)
    tolerance, significance = canaries.tolerance, significance_of(canaries)

    def smallest(drawn: int, included: int) -> float | None:
        return smallest_leak(
            drawn, included, epsilon=epsilon, delta=delta, tolerance=tolerance, significance=significance
        )

    points = tuple(PowerRow(size, smallest(size, size // 2)) for size in _SIZES)
    return PowerCurve(points, PowerRow(canaries.drawn, smallest(canaries.drawn, canaries.included), this=True))


def power_picture(curve: PowerCurve) -> str:
    """Return the curve as an SVG element; the same input gives the same text."""
    drawn_points = [(point.canaries, point.smallest) for point in curve.points if point.smallest is not None]
    this = curve.this
    with canvas("power", _description(curve), height=4.2) as drawn:
        axes = drawn.axes
        axes.set_xscale("log")
        axes.set_xlim(45, max(3_600, 1.1 * this.canaries))
        axes.set_ylim(0, _ceiling([share for _, share in drawn_points], this))
        axes.plot(
            [size for size, _ in drawn_points],
            [100 * share for _, share in drawn_points],
            color=CLAIM,
            linewidth=2.2,
            label="smallest leak found with probability 80 %",
        )
        if this.smallest is not None:
            level = 100 * this.smallest
            axes.plot([45, this.canaries], [level, level], color=SEEN, linewidth=1, linestyle=DASHED)
            axes.plot([this.canaries, this.canaries], [0, level], color=SEEN, linewidth=1, linestyle=DASHED)
            axes.plot(
                [this.canaries], [level], marker="o", markersize=8, linestyle="none", color=SEEN, label="this release"
            )
        axes.set_xticks(_TICKS, [f"{size:,}" for size in _TICKS])
        axes.minorticks_off()
        axes.set_xlabel("invented rows drawn (about half of them planted)", color=INK)
        axes.set_ylabel("planted rows given away, %", color=INK)
        axes.grid(color=FAINT, linewidth=0.6)
        axes.legend(loc="upper right", frameon=False, labelcolor=INK)
    return drawn.svg


def power_sentence(curve: PowerCurve) -> str:
    """Return in words what the test of this release could have found."""
    if curve.this.smallest is None:
        return (
            f"With {curve.this.canaries:,} invented rows even a table that gives away all planted rows would not have "
            "been found at this claim: the test says nothing here."
        )
    return (
        f"With {curve.this.canaries:,} invented rows the test finds, four times out of five, a table that gives away "
        f"{percent(curve.this.smallest)} of the planted rows or more. About a smaller leak it says nothing."
    )


def _description(curve: PowerCurve) -> str:
    return f"Smallest leak that is found, over the number of invented rows; the curve falls. {power_sentence(curve)}"


def _ceiling(shares: Sequence[float], this: PowerRow) -> float:
    return min(105.0, 115 * max([*shares, this.smallest or 0.0, 0.05]))
