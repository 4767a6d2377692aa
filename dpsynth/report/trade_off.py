"""The privacy trade-off curve: how well anybody can tell members from others under the claim, beside what was seen.

Source: Dong, Roth and Su, Gaussian Differential Privacy, 2022, proposition 2.5 (the trade-off function of
(epsilon, delta)), after Wasserman and Zhou 2010; drawn here as true-positive rate over false-positive rate.
"""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dpsynth.certification.document import CanariesSection

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_RATES = (0.001, 0.01, 0.05, 0.1, 0.25)

_LEAST_DRAWN = 0.05
"""A smaller lower bound could not be told from blind guessing."""

# Colours that stand for the colours of the page; the style sheet gives them their light, dark and print values.
_INK, _FAINT, _CLAIM, _SEEN, _AREA = "#010101", "#020202", "#030303", "#040404", "#050505"
_VARIABLES = {
    _INK: "var(--ink)",
    _FAINT: "var(--faint)",
    _CLAIM: "var(--claim)",
    _SEEN: "var(--seen)",
    _AREA: "var(--claim-area)",
}


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
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "dpsynth", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 11}):
        figure = Figure(figsize=(6.4, 5.0), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        _draw_axes(axes)
        _draw_claim(axes, epsilon, delta)
        if canaries.drawn > canaries.included > 0:
            _draw_canaries(axes, canaries)
        if canaries.epsilon_lower >= _LEAST_DRAWN:
            _draw_audit_bound(axes, canaries.epsilon_lower, delta)
        # Nothing is ever drawn below the diagonal.
        axes.legend(loc="lower right", frameon=False, labelcolor=_INK)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return _as_element(buffer.getvalue(), _description(epsilon, delta, canaries))


def _draw_axes(axes: Axes) -> None:
    axes.patch.set_alpha(0)
    axes.set_xlim(-0.02, 1.0)
    axes.set_ylim(-0.02, 1.0)
    ticks = [0, 0.25, 0.5, 0.75, 1]
    labels = ["0 %", "25 %", "50 %", "75 %", "100 %"]
    axes.set_xticks(ticks, labels)
    axes.set_yticks(ticks, labels)
    axes.set_xlabel("non-members wrongly taken for members", color=_INK)
    axes.set_ylabel("members recognised", color=_INK)
    axes.tick_params(colors=_INK)
    axes.grid(color=_FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_INK)


def _draw_claim(axes: Axes, epsilon: float, delta: float) -> None:
    rates = np.unique(np.concatenate([np.linspace(0, 1, 201), np.geomspace(1e-4, 1, 100)]))
    allowed = np.array([largest_true_positives(float(rate), epsilon, delta) for rate in rates])
    axes.fill_between(rates, rates, allowed, color=_AREA, linewidth=0)
    axes.plot(rates, allowed, color=_CLAIM, linewidth=2.2, label=f"the most that epsilon {epsilon:g} allows")
    axes.plot([0, 1], [0, 1], color=_INK, linewidth=1.2, linestyle=(0, (4, 3)), label="blind guessing")


def _draw_audit_bound(axes: Axes, epsilon_lower: float, delta: float) -> None:
    rates = np.linspace(0, 1, 201)
    shown = [largest_true_positives(float(rate), epsilon_lower, delta) for rate in rates]
    label = f"epsilon {epsilon_lower:.2f}, the least that the guesses allow"
    axes.plot(rates, shown, color=_SEEN, linewidth=1.4, linestyle=(0, (1, 2)), label=label)


def _draw_canaries(axes: Axes, canaries: CanariesSection) -> None:
    left_out = canaries.drawn - canaries.included
    wrong, right = canaries.false_positives / left_out, canaries.correct / canaries.included
    axes.plot([wrong, wrong], [canaries.recognised_lower, canaries.recognised_upper], color=_SEEN, linewidth=3)
    axes.plot(
        [wrong],
        [right],
        marker="o",
        markersize=7,
        linestyle="none",
        color=_SEEN,
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


def _as_element(svg: str, description: str) -> str:
    """Return the bare element, in the colours of the page, with a description for those who do not see it."""
    element = svg[svg.index("<svg") :].strip()
    # Its style sheet would apply to the whole page, so the two settings in it become attributes.
    element = re.sub(r"<(metadata|style)\b.*?</\1>\s*", "", element, flags=re.DOTALL)
    element = re.sub(r' (?:width|height)="[\d.]+pt"', "", element, count=2)
    element = re.sub(r' xmlns(?::\w+)?="[^"]*"', "", element)
    for colour, variable in _VARIABLES.items():
        element = element.replace(colour, variable)
    title = f'<svg role="img" aria-label="{description}" stroke-linejoin="round" stroke-linecap="butt" '
    return element.replace("<svg ", title, 1).replace("xlink:href", "href")
