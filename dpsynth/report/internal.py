"""The internal page: findings about real rows, stamped on top and bottom, for the curator's eyes only."""

from __future__ import annotations

from collections.abc import Mapping

from dpsynth.accounting.events import JsonValue
from dpsynth.report.html import style_sheet, template_environment

_SENTENCES = {
    "PASS": "No attack tells training rows from held-back rows by more than the limits, with 95 % confidence.",
    "INCONCLUSIVE": "No attack was shown to succeed, but there are too few rows to exclude it.",
    "FAIL": "At least one attack tells training rows from held-back rows, by more than the limits.",
}


def render_internal_report(content: Mapping[str, JsonValue]) -> str:
    """Return the page of an internal audit, from the JSON that `AuditReport.to_json` makes.

    Privacy: what it shows is not covered by epsilon; `write_internal_report` is the only caller.
    """
    environment = template_environment()
    return environment.get_template("internal.html.j2").render(
        a={"remarks": [], **content}, style=style_sheet(environment), sentence=_SENTENCES[str(content["verdict"])]
    )
