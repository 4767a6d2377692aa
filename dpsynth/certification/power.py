"""What the gates of a release could have shown: the smallest leak that each finds four times out of five.

A test that finds nothing says little until it is known what it would have found. Everything here follows from other
fields of the certificate, so whoever reads one can compute it again.
"""

from __future__ import annotations

from functools import lru_cache

import scipy

from dpsynth.attacks.bounds import clopper_pearson
from dpsynth.attacks.one_run import one_run_p_value
from dpsynth.attacks.significance import fisher_one_sided
from dpsynth.certification.document import CanariesSection, CertificateDocument
from dpsynth.certification.gate_document import PowerSection, RecordGateSection
from dpsynth.certification.record_evidence import smallest_excess_shown

POWER = 0.8
_SIGNIFICANCE = 0.05
_KINDS = 3
_DIGITS = 6
_ROUNDING = 1e-3


def power_section(
    canaries: CanariesSection, record: RecordGateSection | None, *, epsilon: float, delta: float
) -> PowerSection:
    """Return the smallest leaks that the gates find.

    Args:
        canaries: what the canary gate saw.
        record: what the record gate counted; None where it was not asked.
        epsilon: claimed.
        delta: claimed.
    """
    planted = None
    if canaries.drawn > canaries.included > 0:
        planted = smallest_leak(
            canaries.drawn,
            canaries.included,
            epsilon=epsilon,
            delta=delta,
            tolerance=canaries.tolerance,
            significance=significance_of(canaries),
        )
    equal, near = (None, None) if record is None else smallest_excesses(record)
    return PowerSection(probability=POWER, planted_rows=_rounded(planted), equal=_rounded(equal), near=_rounded(near))


def problem_of_power(document: CertificateDocument) -> str | None:
    """Return whether a certificate states another power than follows from its gates; None where it does not."""
    stated = document.power
    if stated is None:
        return None
    computed = power_section(
        document.canaries,
        document.record_gate,
        epsilon=float(document.claim.epsilon),
        delta=float(document.claim.delta),
    )
    pairs = ((getattr(stated, name), getattr(computed, name)) for name in PowerSection.model_fields)
    if any((one is None) != (other is None) or abs((one or 0) - (other or 0)) > _ROUNDING for one, other in pairs):
        return "it states another power than follows from its gates"
    return None


def significance_of(canaries: CanariesSection) -> float:
    """Return the chance of a wrong bound; certificates from before they said it allow 5 %."""
    return _SIGNIFICANCE if canaries.significance is None else canaries.significance


def smallest_excesses(section: RecordGateSection) -> tuple[float | None, float | None]:
    """Return the excess of equal rows, and of near or equal ones, that fails the record gate with probability 80 %."""
    if not len(section.members) == len(section.controls) == _KINDS:
        return None, None
    people = sum(section.members), sum(section.controls)
    equal, near = (
        smallest_excess_shown(
            people,
            section.noise_stddev,
            cells=cells,
            chance=share_of(section.controls, cells),
            tolerance=tolerance,
            significance=section.significance,
            power=POWER,
        )
        for cells, tolerance in ((1, section.copy_tolerance), (2, section.tolerance))
    )
    return equal, near


def share_of(counts: tuple[int, ...], cells: int) -> float:
    """Return the share of people in the first `cells` of noisy counts, within 0 and 1."""
    return min(max(sum(counts[:cells]) / max(sum(counts), 1), 0.0), 1.0)


@lru_cache(maxsize=1024)
def smallest_leak(
    drawn: int,
    included: int,
    *,
    epsilon: float,
    delta: float,
    tolerance: float | None,
    significance: float = _SIGNIFICANCE,
) -> float | None:
    """Return which share of the planted rows must be given away for the gate to fail with probability 80 %.

    The gate fails where the right guesses refute the claim or, with a tolerance, where significantly more planted rows
    than others are recognised and certainly more than tolerated. Nothing is taken to be recognised by chance. None if
    even giving away every planted row would not be found.
    """
    needed = _fewest(drawn, included, epsilon=epsilon, delta=delta, tolerance=tolerance, significance=significance)
    if needed is None:
        return None
    # The chance of at least so many of the planted rows is an incomplete beta function of the share.
    return float(scipy.special.betaincinv(needed, included - needed + 1, POWER))


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(min(max(share, 0.0), 1.0), _DIGITS)


def _fewest(
    drawn: int, included: int, *, epsilon: float, delta: float, tolerance: float | None, significance: float
) -> int | None:
    """Return the fewest recognised planted rows that fail the gate, or None."""

    def found(correct: int) -> bool:
        p_value = one_run_p_value(canaries=drawn, guesses=correct, correct=correct, epsilon=epsilon, delta=delta)
        if p_value <= significance:
            return True
        if tolerance is None:
            return False
        certain = clopper_pearson(correct, included, confidence=1 - significance).lower > tolerance
        return certain and fisher_one_sided(correct, included, 0, drawn - included) <= significance

    if not found(included):
        return None
    below, above = 0, included
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if found(middle) else (middle, above)
    return above
