"""Pictures of the internal page: how many members are found at how few false alarms, and how near they lie.

Privacy: drawn from exact findings about real rows, for the internal page only.
"""

from __future__ import annotations

from collections.abc import Sequence

from dpsynth.report.drawing import CLAIM, DASHED, DOTTED, FAINT, INK, SEEN, SOFT, canvas
from dpsynth.report.internal_view import Curve, Distances
from dpsynth.report.wording import percent

_NAMED = ((CLAIM, "solid", 2.2), (SEEN, DASHED, 2.0), (INK, DOTTED, 2.0))
_LEAST = 1e-4


def roc_picture(curves: Sequence[Curve]) -> str:
    """Return the ROC curves on logarithmic axes; the first three are named, the others faint."""
    said = "; ".join(f"{curve.attack}: {_share(curve.at(0.01))}" for curve in curves[: len(_NAMED)])
    description = (
        "Share of training rows found over share of controls wrongly accused, on logarithmic axes. "
        f"At 1 % wrongly accused the highest curves find: {said}."
    )
    least = min([*(point[0] for curve in curves for point in curve.points if point[0] > 0), 0.01])
    with canvas("roc", description, height=4.6) as drawn:
        axes = drawn.axes
        axes.set_xscale("log")
        axes.set_xlim(max(least, _LEAST) / 1.2, 1.0)
        axes.set_yscale("log")
        axes.set_ylim(max(least, _LEAST) / 1.2, 1.15)
        for curve in reversed(curves[len(_NAMED) :]):
            axes.plot(*_steps(curve), color=SOFT, linewidth=0.8, alpha=0.6)
        for curve, (colour, line, width) in zip(curves, _NAMED, strict=False):
            label = f"{curve.attack}, {curve.variant}" if curve.variant else curve.attack
            axes.plot(*_steps(curve), color=colour, linestyle=line, linewidth=width, label=_short(label))
        rates = [max(least, _LEAST) * 10 ** (step / 20) for step in range(200)]
        guessing = [rate for rate in rates if rate <= 1]
        axes.plot(guessing, guessing, color=INK, linewidth=0.9, linestyle=DASHED, label="blind guessing")
        ticks = [tick for tick in (0.0001, 0.001, 0.01, 0.1, 1) if tick >= max(least, _LEAST) / 1.2]
        axes.set_xticks(ticks, [f"{100 * tick:g} %" for tick in ticks])
        axes.set_yticks(ticks, [f"{100 * tick:g} %" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("controls wrongly accused", color=INK)
        axes.set_ylabel("training rows found", color=INK)
        axes.grid(color=FAINT, linewidth=0.6)
        axes.legend(loc="upper left", frameon=False, labelcolor=INK)
    return drawn.svg


def distances_picture(distances: Distances) -> str:
    """Return how members and controls are distributed over the distance to the nearest row of a table."""
    sides = (("training rows", distances.members, CLAIM, "solid"), ("control rows", distances.controls, SEEN, DASHED))
    nearest = {name: counts[0] / max(sum(counts), 1) if counts else 0.0 for name, counts, _, _ in sides}
    said = "; ".join(f"{percent(share)} of the {name}" for name, share in nearest.items())
    table = f"the {distances.to} table"
    description = (
        f"Distances to the nearest row of {table}. In the nearest of {len(distances.members)} bins lie {said}."
    )
    with canvas(f"distances-{distances.to}", description, height=3.6) as drawn:
        axes = drawn.axes
        for name, counts, colour, line in sides:
            total = max(sum(counts), 1)
            shares = [100 * count / total for count in counts]
            axes.stairs(shares, distances.edges, color=colour, linestyle=line, linewidth=1.8, label=name)
        axes.set_xlim(distances.edges[0], distances.edges[-1])
        axes.set_ylim(bottom=0)
        axes.set_xlabel(f"distance to the nearest row of {table} (0 equal, 1 different in all)", color=INK)
        axes.set_ylabel("% of the rows", color=INK)
        axes.grid(color=FAINT, linewidth=0.6)
        axes.legend(loc="upper right", frameon=False, labelcolor=INK)
    return drawn.svg


def _steps(curve: Curve) -> tuple[list[float], list[float]]:
    points = [(false, true) for false, true in curve.points if false > 0 and true > 0]
    return [false for false, _ in points], [true for _, true in points]


def _share(value: float | None) -> str:
    return "nothing to tell" if value is None else percent(value)


def _short(label: str, most: int = 48) -> str:
    return label if len(label) <= most else f"{label[: most - 1]}…"
