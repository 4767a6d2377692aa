"""What an internal audit says, as typed values for its page: read from the JSON, sorted, and nothing added."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SEVERITY = {"FAIL": 0, "INCONCLUSIVE": 1, "PASS": 2}
EVERYONE = "everyone"

_MOST_VARIANTS = 5


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One statistic of one attack.

    Attributes:
        attack: name in the registry.
        variant: which columns or settings; empty for most.
        statistic: what was measured.
        stratum: which people.
        estimate: of the statistic.
        lower: bound.
        upper: bound.
        tolerance: the limit.
        adjusted_p_value: corrected for the number of tests.
        reading: PASS, FAIL or INCONCLUSIVE.
        sentence: the number in words.
        power: what so many rows could have shown.
        decisive: whether a release without any risk could have passed here.
    """

    attack: str
    variant: str
    statistic: str
    stratum: str
    estimate: float
    lower: float
    upper: float
    tolerance: float
    adjusted_p_value: float
    reading: str
    sentence: str
    power: str
    decisive: bool

    @property
    def order(self) -> tuple[int, float, float]:
        """The worst first."""
        return _SEVERITY[self.reading], self.adjusted_p_value, self.tolerance - self.upper


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """The worst reading of one attack among each stratum; empty where it was not tested."""

    attack: str
    readings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """A ROC curve: (false-positive rate, true-positive rate), ascending."""

    attack: str
    variant: str
    points: tuple[tuple[float, float], ...]

    def at(self, false_positives: float) -> float | None:
        """Return the true-positive rate of the last threshold that accuses no more; None where there is none."""
        below = [true for false, true in self.points if false <= false_positives]
        return max(below) if below else None


@dataclass(frozen=True, slots=True)
class Distances:
    """How many members and controls lie how far from a table."""

    to: str
    edges: tuple[float, ...]
    members: tuple[int, ...]
    controls: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class InternalView:
    """All parts of the page.

    Attributes:
        results: the worst first.
        strata: labels, everyone first.
        matrix: one row per attack.
        singling: of attacks with variants, the variants that stand out most, by attack.
        curves: the highest first.
        distances: to the released and to the reference table.
    """

    results: tuple[ResultRow, ...]
    strata: tuple[str, ...]
    matrix: tuple[MatrixRow, ...]
    singling: tuple[ResultRow, ...]
    curves: tuple[Curve, ...]
    distances: tuple[Distances, ...]

    @property
    def failures(self) -> int:
        """How many results fail."""
        return sum(row.reading == "FAIL" for row in self.results)

    @property
    def failed(self) -> tuple[ResultRow, ...]:
        """The worst failed result of each attack."""
        worst: dict[str, ResultRow] = {}
        for row in self.results:
            if row.reading == "FAIL":
                worst.setdefault(row.attack, row)
        return tuple(worst.values())

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> InternalView:
        """Return the view of the JSON that an internal audit writes."""
        rows = [_row(result) for result in content["results"]]
        strata = tuple(dict.fromkeys([EVERYONE, *(row.stratum for row in rows)]))
        attacks = dict.fromkeys(row.attack for row in rows)
        curves = [
            Curve(one["attack"], one["variant"], tuple((float(x), float(y)) for x, y in one["points"]))
            for one in content.get("roc", ())
        ]
        return cls(
            results=tuple(sorted(rows, key=lambda row: row.order)),
            strata=strata,
            matrix=tuple(MatrixRow(attack, _worst_by_stratum(rows, attack, strata)) for attack in attacks),
            singling=_telling_variants(rows),
            curves=tuple(sorted((c for c in curves if c.points), key=lambda curve: -(curve.at(0.01) or 0.0))),
            distances=tuple(
                Distances(one["to"], tuple(one["edges"]), tuple(one["members"]), tuple(one["controls"]))
                for one in content.get("distances", ())
            ),
        )


def _row(result: Mapping[str, Any]) -> ResultRow:
    return ResultRow(
        attack=str(result["attack"]),
        variant=str(result.get("variant", "")),
        statistic=str(result["statistic"]),
        stratum=str(result.get("stratum", EVERYONE)),
        estimate=float(result["estimate"]),
        lower=float(result["lower"]),
        upper=float(result["upper"]),
        tolerance=float(result["tolerance"]),
        adjusted_p_value=float(result["adjusted_p_value"]),
        reading=str(result["reading"]),
        sentence=str(result.get("sentence", "")),
        power=str(result["power"]),
        decisive=bool(result.get("decisive", True)),
    )


def _worst_by_stratum(rows: Iterable[ResultRow], attack: str, strata: Sequence[str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for row in rows:
        if row.attack == attack:
            found[row.stratum] = min(row.reading, found.get(row.stratum, "PASS"), key=_SEVERITY.__getitem__)
    return tuple(found.get(stratum, "") for stratum in strata)


def _telling_variants(rows: Iterable[ResultRow]) -> tuple[ResultRow, ...]:
    """Return, of every attack that tries columns, those among everybody that were closest to succeeding."""
    by_attack: dict[str, dict[str, ResultRow]] = {}
    for row in sorted(rows, key=lambda row: row.order):
        if row.variant and row.stratum == EVERYONE:
            by_attack.setdefault(row.attack, {}).setdefault(row.variant, row)
    return tuple(row for variants in by_attack.values() for row in list(variants.values())[:_MOST_VARIANTS])
