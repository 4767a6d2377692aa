"""What pictures of a release need: exposed rows, curves and distances. No result depends on them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.attacked_release import AttackedRelease
from dpsynth.attacks.distance import nearest_distances
from dpsynth.attacks.exposed_rows import ExposedRows, exposed_rows
from dpsynth.attacks.findings import DistanceHistogram, RocCurve
from dpsynth.attacks.hypotheses import strongest

EXPOSURE_SCORE = "nearest-neighbour-ratio"
"""The attack whose score lists exposed rows, chosen before any row is seen."""

Rankings = Mapping[str, Mapping[str, NDArray[np.float64]]]
"""The scores of attacks that rank all targets, each of shape (targets,), by attack and variant."""


def exposed_members(release: AttackedRelease, rankings: Rankings) -> ExposedRows:
    """Return the members that the release gives away, by their place in the table of members."""
    scores = rankings.get(EXPOSURE_SCORE, {}).get("", np.zeros(len(release.targets)))
    return exposed_rows(EXPOSURE_SCORE, *release.sides(scores))


def strongest_curves(release: AttackedRelease, rankings: Rankings) -> tuple[RocCurve, ...]:
    """Return the curve of the strongest variant of each attack that ranks targets."""
    curves = []
    for attack, variants in rankings.items():
        sides = {variant: release.sides(scores) for variant, scores in variants.items()}
        best = strongest(sides)
        curves.append(RocCurve.of(attack, best, *sides[best]))
    return tuple(curves)


def distance_histograms(release: AttackedRelease) -> tuple[DistanceHistogram, ...]:
    """Return how far members and controls are from the released and from the reference table."""
    return tuple(
        DistanceHistogram.of(to, *release.sides(nearest_distances(release.targets, table)[:, 0]))
        for to, table in (("released", release.synthetic), ("reference", release.reference))
    )
