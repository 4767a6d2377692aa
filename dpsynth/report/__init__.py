"""From a certificate to a page for people, and from internal findings to another page, never to be shared.

A report adds nothing: it is rendered from JSON, and whatever it says can be checked there.
"""

from dpsynth.report.html import render_report
from dpsynth.report.internal import render_internal_report

__all__ = ["render_internal_report", "render_report"]
