"""Everything the suite found out about one release: results, and what pictures of them need.

Privacy: exact functions of real records. They are confidential and never leave the curator unsealed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.exposed_rows import NOBODY, ExposedRows
from dpsynth.attacks.result import AttackResult, Reading, Statistic, overall_reading

_CURVE_POINTS = 60
_BINS = 40


@dataclass(frozen=True, slots=True, repr=False)
class StratumSize:
    """How many people a stratum has.

    Attributes:
        label: as in results.
        members: how many members.
        controls: how many controls.
        slack: by how much its limits are wider than those for everyone.
    """

    label: str
    members: int
    controls: int
    slack: float


@dataclass(frozen=True, slots=True, repr=False)
class Untested:
    """Hypotheses that so few people could not decide, whatever was found, so they were not tested.

    Attributes:
        stratum: which people.
        statistic: what would have been measured.
        hypotheses: how many, over all attacks and variants.
        members: how many members.
        controls: how many controls.
    """

    stratum: str
    statistic: Statistic
    hypotheses: int
    members: int
    controls: int


@dataclass(frozen=True, slots=True, repr=False)
class FailedAttack:
    """An attack that gave no result, so that nothing is known about its risk.

    Attributes:
        attack: name in the registry, or what else failed.
        error: the type of what was raised; its words may hold cells and are never kept.
    """

    attack: str
    error: str

    @classmethod
    def of(cls, attack: str, fault: BaseException) -> FailedAttack:
        """Return that `attack` raised `fault`."""
        return cls(attack, type(fault).__name__)


@dataclass(frozen=True, slots=True, repr=False)
class RocCurve:
    """How many members are found for how many controls accused.

    Attributes:
        attack: name in the registry.
        variant: the variant with the smallest p-value of its AUC.
        points: (false-positive rate, true-positive rate), ascending, evenly spaced on a logarithmic axis.
    """

    attack: str
    variant: str
    points: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, attack: str, variant: str, members: NDArray[np.float64], controls: NDArray[np.float64]) -> RocCurve:
        """Return the curve of one score; without points where a side is empty."""
        if not members.size or not controls.size:
            return cls(attack, variant, ())
        falling = np.sort(controls)[::-1]
        accused = np.unique(np.geomspace(1, controls.size, _CURVE_POINTS).astype(np.intp))
        in_order = np.sort(members)
        # A threshold at the k-th highest control accuses it and everything that ties with it.
        thresholds = falling[accused - 1]
        false = 1 - np.searchsorted(np.sort(controls), thresholds, side="left") / controls.size
        true = 1 - np.searchsorted(in_order, thresholds, side="left") / members.size
        points = sorted({(float(left), float(right)) for left, right in zip(false, true, strict=True)})
        return cls(attack, variant, tuple(points))


@dataclass(frozen=True, slots=True, repr=False)
class DistanceHistogram:
    """How far members and controls are from a table.

    Attributes:
        to: which table: "released" or "reference".
        edges: of the bins, ascending, one more than bins; Gower's distances.
        members: how many members in each bin.
        controls: how many controls in each bin.
    """

    to: str
    edges: tuple[float, ...]
    members: tuple[int, ...]
    controls: tuple[int, ...]

    @classmethod
    def of(cls, to: str, members: NDArray[np.float64], controls: NDArray[np.float64]) -> DistanceHistogram:
        """Return the histogram of distances to the nearest row of a table."""
        both = np.concatenate([members, controls])
        edges = np.linspace(0, float(both.max()) if both.size and both.max() > 0 else 1.0, _BINS + 1)
        counted = [tuple(int(count) for count in np.histogram(side, edges)[0]) for side in (members, controls)]
        return cls(to, tuple(float(edge) for edge in edges), counted[0], counted[1])


@dataclass(frozen=True, slots=True, repr=False)
class SuiteFindings:
    """What the suite found.

    Attributes:
        results: one per attack, variant, statistic and stratum.
        strata: everyone, the most isolated people, declared groups.
        untested: what so few people could not decide.
        exposed: training rows that the release gives away.
        curves: one per attack that ranks targets.
        distances: to the released and to the reference table.
        failed: attacks that gave no result; with any, nothing is shown to be safe.
        secrets: the columns that were declared; a PASS says something about guesses of these only, of all if none.
    """

    results: tuple[AttackResult, ...]
    strata: tuple[StratumSize, ...] = ()
    untested: tuple[Untested, ...] = ()
    exposed: ExposedRows = NOBODY
    curves: tuple[RocCurve, ...] = ()
    distances: tuple[DistanceHistogram, ...] = ()
    failed: tuple[FailedAttack, ...] = ()
    secrets: tuple[str, ...] = ()

    @property
    def reading(self) -> Reading:
        """FAIL if any result fails; an attack that failed itself keeps the others from passing."""
        found = overall_reading(self.results)
        return Reading.INCONCLUSIVE if self.failed and found is Reading.PASS else found
