"""Pictures of the reports: bare SVG elements in the colours of the page, the same text for the same numbers.

No picture is needed to understand a page: each has a description for those who do not see it, and a table beside it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours that stand for the colours of the page; the style sheet gives them their light, dark and print values.
INK, FAINT, CLAIM, SEEN, AREA, SOFT = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
_VARIABLES = {
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    CLAIM: "var(--claim)",
    SEEN: "var(--seen)",
    AREA: "var(--claim-area)",
    SOFT: "var(--soft)",
}

DOTTED = (0, (1, 2))
DASHED = (0, (4, 3))

_WIDTH = 6.4
"""Inches; what counts is the size of the letters beside it."""


@dataclass(slots=True)
class Canvas:
    """A picture that is being drawn; `svg` is set when the drawing ends.

    Attributes:
        figure: of matplotlib.
        axes: the only ones.
        svg: the finished element.
    """

    figure: Figure
    axes: Axes
    svg: str = ""


@contextmanager
def canvas(name: str, description: str, *, height: float = 5.0) -> Iterator[Canvas]:
    """Draw one picture inside this context.

    Args:
        name: a word that no other picture of the page has; identifiers inside the picture begin with it.
        description: what the picture says, for those who do not see it.
        height: in inches, beside a width of 6.4.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 11}):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        axes.tick_params(colors=INK, which="both")
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axes.spines[side].set_color(INK)
        drawn = Canvas(figure, axes)
        yield drawn
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    drawn.svg = _as_element(buffer.getvalue(), name, description)


def _as_element(svg: str, name: str, description: str) -> str:
    """Return the bare element, in the colours of the page, with a description for those who do not see it."""
    element = svg[svg.index("<svg") :].strip()
    # Its style sheet would apply to the whole page, so the two settings in it become attributes.
    element = re.sub(r"<(metadata|style)\b.*?</\1>\s*", "", element, flags=re.DOTALL)
    element = re.sub(r' (?:width|height)="[\d.]+pt"', "", element, count=2)
    element = re.sub(r' xmlns(?::\w+)?="[^"]*"', "", element)
    element = re.sub(r"<!--.*?-->\s*", "", element, flags=re.DOTALL)
    # Several pictures stand on one page, and each counts its parts from 1.
    element = re.sub(r'\bid="', f'id="{name}-', element)
    element = element.replace("url(#", f"url(#{name}-").replace('href="#', f'href="#{name}-')
    for colour, variable in _VARIABLES.items():
        element = element.replace(colour, variable)
    title = f'<svg role="img" aria-label="{escape(description)}" stroke-linejoin="round" stroke-linecap="butt" '
    return element.replace("<svg ", title, 1).replace("xlink:href", "href")
