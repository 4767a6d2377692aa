"""The opener of confidential findings; an import contract keeps this module to certification."""

from __future__ import annotations

from typing import TypeVar

from dpsynth.curator.confidential import Confidential
from dpsynth.curator.seal import content_of

T = TypeVar("T")


def reveal(finding: Confidential[T]) -> T:
    """Return the finding, for the internal audit folder only.

    Privacy: nothing is charged, so what comes out is not covered by epsilon and must never enter a release folder,
    a certificate, a message or a log.
    """
    return content_of(finding)
