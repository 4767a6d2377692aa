"""What the suite says: statistics, limits, three-valued readings and results.

Results computed from real records are exact functions of them: they are confidential, and only an opener in
`dpsynth.certification` sees them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import assert_never

from dpsynth.attacks.bounds import Interval
from dpsynth.errors import InvalidInput

_ALMOST_ONE = 0.999


class Statistic(Enum):
    """What is measured about the scores of an attack."""

    AUC = "AUC"
    """Probability that a random member scores higher than a random control; 0.5 is no risk."""
    TPR_AT_FPR = "true-positive rate at a fixed false-positive rate"
    TPR_AT_LOW_FPR = "true-positive rate at a fixed low false-positive rate"
    """The same where hardly anybody is accused falsely; only with controls enough to place the threshold."""
    EXACT_MATCH_EXCESS = "exact match excess"
    """Share of members that the synthetic table contains, minus the same share of controls."""
    WEIGHTED_MATCH_EXCESS = "weighted match excess"
    """The same, where people count the more, the less a natural twin of theirs is to be expected."""
    NEAR_MATCH_EXCESS = "near match excess"
    EXCESS_RISK = "excess risk"
    """(p - c) / (1 - c) for success rates p among members and c among controls: 0 is what the population explains."""

    @property
    def unit(self) -> str:
        """What the number counts."""
        return _UNITS[self]


_UNITS = {
    Statistic.AUC: "probability that a random member scores above a random control",
    Statistic.TPR_AT_FPR: "share of the members",
    Statistic.TPR_AT_LOW_FPR: "share of the members",
    Statistic.EXACT_MATCH_EXCESS: "share of the members minus share of the controls",
    Statistic.WEIGHTED_MATCH_EXCESS: "weighted share of the members minus weighted share of the controls",
    Statistic.NEAR_MATCH_EXCESS: "share of the members minus share of the controls",
    Statistic.EXCESS_RISK: "share of what fails without membership",
}

DIRECTION = "lower is safer"
"""Of every statistic."""


class Reading(Enum):
    """What one result, or the whole suite, says about the release."""

    FAIL = "FAIL"
    """Members score above controls significantly, and certainly by more than the limit."""
    PASS = "PASS"  # noqa: S105  # a verdict, not a password
    """The risk is certainly below the limit."""
    INCONCLUSIVE = "INCONCLUSIVE"
    """Neither: too few records to tell."""


class Duty(Enum):
    """Whether a release has to be shown safe from something before it passes; whatever fails, fails it."""

    ALWAYS = "always"
    """Where too few people are at hand to show it, nothing passes."""
    WHERE_POSSIBLE = "where so many people could show it"
    NEVER = "never"
    """Searched for alarms only."""


@dataclass(frozen=True, slots=True)
class Tolerances:
    """Largest acceptable risks. Policy, not science: the defaults are stated, and a policy may set others.

    Attributes:
        fpr: the fixed false-positive rate.
        tpr: largest true-positive rate at that rate.
        auc: largest AUC.
        exact_match_excess: largest excess share of exact matches, weighted or not.
        near_match_excess: largest excess share of near matches. A near match happens to about 1 % of unseen records,
            so the default is the limit on the true-positive rate minus that 1 %.
        low_fpr: the fixed low false-positive rate.
        low_tpr: largest true-positive rate at that rate.
        excess_risk: largest excess risk of attacks that succeed or fail.
    """

    fpr: float = 0.01
    tpr: float = 0.03
    auc: float = 0.55
    exact_match_excess: float = 0.002
    near_match_excess: float = 0.02
    low_fpr: float = 0.001
    low_tpr: float = 0.005
    excess_risk: float = 0.05

    def __post_init__(self) -> None:
        """Refuse limits that no release could break or keep."""
        if not 0 < self.fpr < self.tpr < 1 or not 0.5 <= self.auc < 1:
            raise InvalidInput("tolerances need 0 < fpr < tpr < 1 and an AUC from 0.5 to below 1")
        if not 0 < self.low_fpr < self.low_tpr < 1 or not 0 <= self.excess_risk < 1:
            raise InvalidInput("tolerances need 0 < low_fpr < low_tpr < 1 and an excess risk from 0 to below 1")
        if not 0 <= self.exact_match_excess < 1 or not 0 <= self.near_match_excess < 1:
            raise InvalidInput("a tolerated match excess must be at least 0 and below 1")

    def widened(self, slack: float) -> Tolerances:
        """Return limits that are `slack` times as far from no risk, at the same false-positive rates."""
        return replace(
            self,
            tpr=min(slack * self.tpr, _ALMOST_ONE),
            low_tpr=min(slack * self.low_tpr, _ALMOST_ONE),
            auc=min(0.5 + slack * (self.auc - 0.5), _ALMOST_ONE),
            exact_match_excess=min(slack * self.exact_match_excess, _ALMOST_ONE),
            near_match_excess=min(slack * self.near_match_excess, _ALMOST_ONE),
            excess_risk=min(slack * self.excess_risk, _ALMOST_ONE),
        )

    def limit(self, statistic: Statistic) -> float:
        """Return the limit of one statistic."""
        match statistic:
            case Statistic.AUC:
                return self.auc
            case Statistic.TPR_AT_FPR:
                return self.tpr
            case Statistic.TPR_AT_LOW_FPR:
                return self.low_tpr
            case Statistic.EXACT_MATCH_EXCESS | Statistic.WEIGHTED_MATCH_EXCESS:
                return self.exact_match_excess
            case Statistic.NEAR_MATCH_EXCESS:
                return self.near_match_excess
            case Statistic.EXCESS_RISK:
                return self.excess_risk
            case _:
                assert_never(statistic)


DEFAULT_TOLERANCES = Tolerances()

EVERYONE = "everyone"
"""The stratum of all targets."""


@dataclass(frozen=True, slots=True)
class AttackResult:
    """One statistic of one attack, with everything that is needed to believe it.

    Attributes:
        attack: name in the registry.
        statistic: what was measured.
        interval: estimate and one-sided bounds.
        tolerance: the limit that the reading compares with.
        p_value: one-sided, against exchangeability of members and controls.
        adjusted_p_value: the same after Holm's correction over all results of the suite.
        significance: of the suite as a whole.
        smallest_detectable: value of the statistic that would have been found significant, after a full Bonferroni
            correction, with probability 80 %.
        members: number of members.
        controls: number of controls.
        variant: label of the variant of a family, made of public names; empty for an attack without variants.
        stratum: which people were compared.
        control_value: the same rate among controls: fixed by the threshold, or observed; 0.5 for an AUC.
        decisive: whether a release passes only if this result does. What is searched for alarms only does not keep
            the others from passing.
    """

    attack: str
    statistic: Statistic
    interval: Interval
    tolerance: float
    p_value: float
    adjusted_p_value: float
    significance: float
    smallest_detectable: float
    members: int
    controls: int
    variant: str = ""
    stratum: str = EVERYONE
    control_value: float = 0.5
    decisive: bool = True

    @property
    def reading(self) -> Reading:
        """Excess risk needs significance and size; a pass needs a bound below the limit; the rest decides nothing."""
        if self.adjusted_p_value <= self.significance and self.interval.lower > self.tolerance:
            return Reading.FAIL
        return Reading.PASS if self.interval.upper <= self.tolerance else Reading.INCONCLUSIVE

    @property
    def neutral_value(self) -> float:
        """What the statistic is where nothing leaks."""
        if self.statistic is Statistic.AUC:
            return 0.5
        return self.control_value if self.statistic in (Statistic.TPR_AT_FPR, Statistic.TPR_AT_LOW_FPR) else 0.0

    @property
    def sentence(self) -> str:
        """The number in words: what it counts, among controls too, between which bounds, and how it reads."""
        found = self.interval
        values = (found.estimate, found.lower, found.upper, self.tolerance, self.neutral_value, self.control_value)
        number, lower, upper, limit, neutral, control = (
            f"{value:.3f}" if self.statistic is Statistic.AUC else f"{100 * value:.3g} %" for value in values
        )
        match self.statistic:
            case Statistic.AUC:
                what = f"A random member scores above a random control with probability {number}"
            case Statistic.TPR_AT_FPR | Statistic.TPR_AT_LOW_FPR:
                what = f"A threshold that accuses {control} of the controls finds {number} of the members"
            case Statistic.EXACT_MATCH_EXCESS | Statistic.NEAR_MATCH_EXCESS:
                what = f"The share of members with a match is {number} above that of the controls, {control}"
            case Statistic.WEIGHTED_MATCH_EXCESS:
                what = f"Weighted, the share of members with a match is {number} above that of the controls, {control}"
            case Statistic.EXCESS_RISK:
                what = f"Controls are hit at a rate of {control}; of what fails there, {number} succeeds on members"
            case _:
                assert_never(self.statistic)
        whom = "" if self.stratum == EVERYONE else f", among '{self.stratum}'"
        return (
            f"{what}{whom}: between {lower} and {upper}, each bound with {100 * found.confidence:.3g} % confidence; "
            f"{neutral} if nothing leaks, {DIRECTION}, limit {limit}: {self.reading.value}."
        )

    @property
    def power_statement(self) -> str:
        """One sentence on what this sample could have shown, for internal reports."""
        return (
            f"With {self.members} members and {self.controls} controls, '{self.attack}' would find "
            f"{self.statistic.value} {self.smallest_detectable:.3g} or more with probability 80 %."
        )


def overall_reading(results: Iterable[AttackResult]) -> Reading:
    """Return FAIL if any result fails, PASS if there are decisive results and all of those pass, else INCONCLUSIVE."""
    results = tuple(results)
    if any(result.reading is Reading.FAIL for result in results):
        return Reading.FAIL
    readings = {result.reading for result in results if result.decisive}
    return Reading.PASS if readings == {Reading.PASS} else Reading.INCONCLUSIVE
