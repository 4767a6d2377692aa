"""The ledger as a waterfall: what was spent before, what this release asked for, and what is left.

Costs add up in squared mu of Gaussian differential privacy and not in epsilon, so that is what the lengths are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.events import event_from_json
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.certification.document import CertificateDocument
from dpsynth.errors import DpsynthError
from dpsynth.report.drawing import AREA, CLAIM, FAINT, INK, SEEN, SOFT, canvas
from dpsynth.report.wording import kind_in_words, percent

_ROW_HEIGHT = 0.42
_FRAME = 0.9
_NARROW = 0.004


@dataclass(frozen=True, slots=True)
class Step:
    """One bar of the waterfall.

    Attributes:
        label: what it is.
        start: where it begins, as a share of the whole.
        length: as a share of the whole.
        role: `before`, `charge`, `unused` or `left`.
        questions: how many questions it stands for; 0 for what is no charge of this release.
    """

    label: str
    start: float
    length: float
    role: str
    questions: int = 0

    @property
    def end(self) -> float:
        """Where it ends."""
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class Waterfall:
    """All steps, and what they are shares of.

    Attributes:
        whole: in words.
        steps: in order; each begins where the one before ends.
    """

    whole: str
    steps: tuple[Step, ...]


def waterfall_of(document: CertificateDocument) -> Waterfall | None:
    """Return the steps of a certificate; None where a charge or the claim has no finite squared mu."""
    kinds: dict[str, tuple[Fraction, int]] = {}
    try:
        for charge in document.claim.charges:
            cost = cost_of(event_from_json(charge.event)).mu_squared
            if cost is None:
                return None
            kind = kind_in_words(str(charge.event.get("event")))
            so_far, count = kinds.get(kind, (Fraction(0), 0))
            kinds[kind] = so_far + cost, count + 1
        bought = mu_squared_from_budget(PrivacyBudget(document.claim.epsilon, document.claim.delta))
    except DpsynthError:
        return None
    claimed, spent = float(bought), float(sum((cost for cost, _ in kinds.values()), Fraction(0)))
    shares = document.ledger.shares
    if shares is not None and spent > 0 and shares.this > 0:
        scale, whole = shares.this / spent, f"the budget of “{document.scope.dataset}”"
        before = [("spent before this release", shares.before, "before", 0)]
        after = [("left for later releases", shares.left, "left", 0)]
    else:
        scale, whole = 1 / max(claimed, spent), "the claim of this release"
        before = []
        after = [("claimed and not used", max(claimed - spent, 0.0) * scale, "unused", 0)]
    charged = [(kind, float(cost) * scale, "charge", count) for kind, (cost, count) in kinds.items()]
    return Waterfall(whole, _stepped([*before, *charged, *after]))


def waterfall_picture(fall: Waterfall) -> str:
    """Return the waterfall as an SVG element; the same input gives the same text."""
    said = "; ".join(f"{step.label}: {percent(step.length)}" for step in fall.steps)
    colours = {"before": SOFT, "charge": CLAIM, "unused": AREA, "left": AREA}
    height = _FRAME + _ROW_HEIGHT * len(fall.steps)
    with canvas("waterfall", f"Shares of {fall.whole}, one after the other. {said}.", height=height) as drawn:
        axes = drawn.axes
        for place, step in enumerate(fall.steps):
            axes.barh(
                place,
                max(step.length, _NARROW),
                left=step.start,
                height=0.62,
                color=colours[step.role],
                edgecolor=INK if step.role in {"unused", "left"} else "none",
                linewidth=0.8,
            )
            end = step.start + max(step.length, _NARROW)
            if place + 1 < len(fall.steps):
                axes.plot([end, end], [place - 0.31, place + 1.31], color=SEEN, linewidth=0.8)
            inside = end > 0.82
            axes.text(
                step.start - 0.01 if inside else end + 0.01,
                place,
                percent(step.length),
                ha="right" if inside else "left",
                va="center",
                color=INK,
            )
        axes.set_yticks(range(len(fall.steps)), [step.label for step in fall.steps])
        axes.invert_yaxis()
        axes.set_xlim(-0.12 if fall.steps and fall.steps[0].length > 0.82 else 0, 1.0)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
        axes.set_xlabel(f"share of {fall.whole}", color=INK)
        axes.grid(axis="x", color=FAINT, linewidth=0.6)
        axes.tick_params(axis="y", length=0)
    return drawn.svg


def _stepped(parts: Sequence[tuple[str, float, str, int]]) -> tuple[Step, ...]:
    steps, start = [], 0.0
    for label, length, role, questions in parts:
        steps.append(Step(label, start, length, role, questions))
        start += length
    return tuple(steps)
