"""Attacks on members and controls run here, behind the door; what they find comes out sealed as confidential."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator._sealed import unseal
from dpsynth.curator.confidential import Confidential
from dpsynth.curator.curator import Curator

F = TypeVar("F")


@dataclass(frozen=True, slots=True, repr=False)
class AuditRows:
    """Real rows as codes, in the order of the schema's columns.

    Attributes:
        members: rows that the generator was trained on, planted canaries left out, shape (members, columns).
        controls: rows that it never saw, shape (controls, columns).
    """

    members: NDArray[np.int32]
    controls: NDArray[np.int32]


def examine(curator: Curator, function: Callable[[AuditRows], F]) -> Confidential[F]:
    """Return what `function` finds in the real rows, sealed.

    Raises:
        DpsynthError: when the data was never opened by a fit.

    Privacy: not charged, therefore `Confidential`: the finding may only be revealed into the internal audit folder.
    """
    rows = unseal(curator.sealed_rows())
    members = np.stack(rows.training, axis=1).astype(np.int32) if rows.training else rows.control[:0]
    if curator.planted:
        members = members[: -curator.planted]
    return Confidential(function(AuditRows(members=members, controls=rows.control)))
