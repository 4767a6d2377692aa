"""The internal page: findings about real rows, stamped on every page, for the curator's eyes only."""

from __future__ import annotations

from collections.abc import Mapping

from dpsynth.accounting.events import JsonValue
from dpsynth.report.findings_pictures import distances_picture, roc_picture
from dpsynth.report.html import style_sheet, template_environment
from dpsynth.report.internal_view import InternalView

_SENTENCES = {
    "PASS": "No attack tells training rows from held-back rows by more than the limits, at the policy's confidence.",
    "INCONCLUSIVE": "No attack was shown to succeed, but few rows, or an attack that failed, exclude nothing.",
    "FAIL": "At least one attack tells training rows from held-back rows, by more than the limits.",
}

_MOST_EXPOSED = 500
"""More row numbers would be a list for machines; `audit.json` has them all."""

_NOTHING: Mapping[str, JsonValue] = {
    "remarks": [],
    "strata": [],
    "untested": [],
    "failed": [],
    "exposed_rows": {},
    "negative_controls": {},
}


def render_internal_report(content: Mapping[str, JsonValue]) -> str:
    """Return the page of an internal audit, from the JSON that its findings make.

    Privacy: what it shows is not covered by epsilon; only what writes internal folders may call it.
    """
    from markupsafe import Markup

    environment = template_environment()
    view = InternalView.of(content)
    exposed = content.get("exposed_rows")
    rows = exposed.get("rows") if isinstance(exposed, dict) else None
    positions = [int(str(row)) + 1 for row in rows] if isinstance(rows, list) else []
    return environment.get_template(
        "internal.html.j2"
    ).render(
        a={**_NOTHING, **content},
        v=view,
        style=style_sheet(environment),
        sentence=_SENTENCES[str(content["verdict"])],
        roc=Markup(roc_picture(view.curves)) if view.curves else "",  # noqa: S704 - drawn from numbers and names
        distances=[
            (one.to, Markup(distances_picture(one)))  # noqa: S704 - drawn from numbers
            for one in view.distances
        ],
        positions=positions[:_MOST_EXPOSED],
        hidden_positions=max(0, len(positions) - _MOST_EXPOSED),
    )
