"""The privacy trade-off curve: how well anybody can tell members from others under the claim, beside what was seen.

Source: Dong, Roth and Su, Gaussian Differential Privacy, 2022, proposition 2.5 (the trade-off function of
(epsilon, delta)), after Wasserman and Zhou 2010; drawn here as true-positive rate over false-positive rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dpsynth.certification.document import CanariesSection
from dpsynth.report.drawing import AREA, CLAIM, DASHED, DOTTED, FAINT, INK, SEEN, canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_RATES = (0.001, 0.01, 0.05, 0.1, 0.25)

_LEAST_DRAWN = 0.05
"""A smaller lower bound could not be told from blind guessing."""


@dataclass(frozen=True, slots=True)
class TradeOffRow:
    """One line of the table beside the picture.

    Attributes:
        false_positives: share of people wrongly taken for members.
        true_positives: largest share of members that can be recognised at that rate.
    """

    false_positives: float
    true_positives: float


def largest_true_positives(false_positives: float, epsilon: float, delta: float) -> float:
    """Return the largest true-positive rate that (epsilon, delta) allows at a false-positive rate."""
    from_above = math.exp(epsilon) * false_positives + delta
    from_below = 1 - math.exp(-epsilon) * (1 - delta - false_positives)
    return max(false_positives, min(1.0, from_above, from_below))


def trade_off_table(epsilon: float, delta: float) -> tuple[TradeOffRow, ...]:
    """Return the numbers behind the curve."""
    return tuple(TradeOffRow(rate, largest_true_positives(rate, epsilon, delta)) for rate in _RATES)


def trade_off_picture(epsilon: float, delta: float, canaries: CanariesSection) -> str:
    """Return the curve of the claim and the canaries' result as an SVG element; the same input gives the same text."""
    with canvas("trade-off", _description(epsilon, delta, canaries)) as drawn:
        axes = drawn.axes
        _draw_axes(axes)
        _draw_claim(axes, epsilon, delta)
        if canaries.drawn > canaries.included > 0:
            _draw_canaries(axes, canaries)
        if canaries.epsilon_lower >= _LEAST_DRAWN:
            _draw_audit_bound(axes, canaries.epsilon_lower, delta)
        # Nothing is ever drawn below the diagonal.
        axes.legend(loc="lower right", frameon=False, labelcolor=INK)
    return drawn.svg


def _draw_axes(axes: Axes) -> None:
    axes.set_xlim(-0.02, 1.0)
    axes.set_ylim(-0.02, 1.0)
    ticks = [0, 0.25, 0.5, 0.75, 1]
    labels = ["0 %", "25 %", "50 %", "75 %", "100 %"]
    axes.set_xticks(ticks, labels)
    axes.set_yticks(ticks, labels)
    axes.set_xlabel("non-members wrongly taken for members", color=INK)
    axes.set_ylabel("members recognised", color=INK)
    axes.grid(color=FAINT, linewidth=0.6)


def _draw_claim(axes: Axes, epsilon: float, delta: float) -> None:
    rates = np.unique(np.concatenate([np.linspace(0, 1, 201), np.geomspace(1e-4, 1, 100)]))
    allowed = np.array([largest_true_positives(float(rate), epsilon, delta) for rate in rates])
    axes.fill_between(rates, rates, allowed, color=AREA, linewidth=0)
    axes.plot(rates, allowed, color=CLAIM, linewidth=2.2, label=f"the most that epsilon {epsilon:g} allows")
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1.2, linestyle=DASHED, label="blind guessing")


def _draw_audit_bound(axes: Axes, epsilon_lower: float, delta: float) -> None:
    rates = np.linspace(0, 1, 201)
    shown = [largest_true_positives(float(rate), epsilon_lower, delta) for rate in rates]
    label = f"epsilon {epsilon_lower:.2f}, the least that the guesses allow"
    axes.plot(rates, shown, color=SEEN, linewidth=1.4, linestyle=DOTTED, label=label)


def _draw_canaries(axes: Axes, canaries: CanariesSection) -> None:
    left_out = canaries.drawn - canaries.included
    wrong, right = canaries.false_positives / left_out, canaries.correct / canaries.included
    axes.plot([wrong, wrong], [canaries.recognised_lower, canaries.recognised_upper], color=SEEN, linewidth=3)
    axes.plot(
        [wrong],
        [right],
        marker="o",
        markersize=7,
        linestyle="none",
        color=SEEN,
        clip_on=False,
        label="planted rows, with 95 % bounds",
    )


def _description(epsilon: float, delta: float, canaries: CanariesSection) -> str:
    at_one = 100 * largest_true_positives(0.01, epsilon, delta)
    text = (
        f"Curve of the share of members that anybody can recognise, over the share of non-members wrongly accused. "
        f"At 1 % wrong accusations epsilon {epsilon:g} allows at most {at_one:.1f} % to be recognised."
    )
    if canaries.included:
        text += f" Of the planted rows {100 * canaries.correct / canaries.included:.1f} % were recognised."
    return text
