"""Numbers and sentences of the reports, for readers who are no statisticians."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from dpsynth.certification.document import (
    CanariesSection,
    CertificateDocument,
    ChargeSection,
    ErrorBarSection,
    ErrorBarsSection,
    UtilitySection,
)
from dpsynth.certification.power import significance_of

VERDICT_SENTENCES: Mapping[str, str] = {
    "PASS": "Every check of the policy was met, and each had the power to fail.",
    "INCONCLUSIVE": "Nothing was refuted, but at least one check had too little to decide on.",
    "FAIL": "At least one check of the policy was not met.",
}

AUDIT_LAYERS: Mapping[str, str] = {
    "L0": "replay of answers",
    "L1": "residuals of the noise",
    "L2": "worst-case game",
    "L3": "primitives",
    "L4": "one run of everything",
}
"""What each layer of audits of the implementation looks at."""

_MOST_PAIRS = 10
"""More names would be a list for machines."""

_KINDS: Mapping[str, str] = {
    "Gaussian": "counts with Gaussian noise",
    "Laplace": "counts with Laplace noise",
    "DiscreteGaussian": "counts with discrete Gaussian noise",
    "DiscreteLaplace": "counts with discrete Laplace noise",
    "Exponential": "a choice by the exponential mechanism",
    "ZCDp": "a mechanism stated by rho",
    "Gdp": "a mechanism stated by mu",
    "ApproximateDp": "a mechanism stated by epsilon and delta",
    "PoissonSampled": "a mechanism on a random part of the units",
    "SelfComposed": "a mechanism, repeated",
    "Composed": "several mechanisms",
    "NoOp": "nothing",
    "NonPrivate": "an unprotected answer",
}


def kind_in_words(event: str) -> str:
    """Return a kind of event, as the ledger names it, in words."""
    return _KINDS.get(event, event)


def percent(share: float, digits: int = 1) -> str:
    """Return a share as a percentage; never 0 % or 100 % for what is only close to it."""
    smallest = 10.0**-digits
    value = 100 * share
    if 0 < value < smallest:
        return f"< {smallest:g} %"
    if 100 - smallest < value < 100:
        return f"> {100 - smallest:g} %"
    return f"{value:.{digits}f} %"


def plain_number(text: str) -> str:
    """Return an exact decimal without trailing zeros, without exponent where it stays short."""
    number = float(text)
    return f"{number:g}" if number == 0 or number >= 1e-4 else f"{number:.0e}".replace("e-0", "e-")


def grouped(count: float) -> str:
    """Return a count with commas between thousands."""
    return f"{count:,.0f}"


def unmeasured_pairs(utility: Sequence[UtilitySection]) -> str:
    """Return a sentence on the pairs of columns that no measured table of counts holds together; empty if none."""
    measured = {pair for row in utility for pair in combinations(sorted(row.columns), 2)}
    pairs = list(combinations(sorted({name for row in utility for name in row.columns}), 2))
    missed = [f"{one} with {other}" for one, other in pairs if (one, other) not in measured]
    if not missed:
        return ""
    named = "; ".join(missed[:_MOST_PAIRS]) + ("; and others" if len(missed) > _MOST_PAIRS else "")
    return (
        f"Of {len(pairs)} pairs of columns {len(missed)} were not measured. How the two columns of such a pair go "
        f"together in the synthetic table follows from what was measured and not from the data: {named}."
    )


def one_in(probability: str) -> str:
    """Return a small probability as `1 in N`."""
    value = float(probability)
    return "0" if value == 0 else f"1 in {round(1 / value):,}"


def accuracy(section: ErrorBarsSection) -> tuple[str, ...]:
    """Return what the error bars are, and how large they are by and large."""
    if not section.bars:
        return ("The table has no rows, so there is nothing to compare.",)
    kinds = {
        "single columns": [bar.expected for bar in section.bars if len(bar.columns) == 1],
        "pairs that were measured": [bar.expected for bar in section.bars if _is_pair(bar) and bar.basis != "model"],
        "pairs that were not measured": [
            bar.expected for bar in section.bars if _is_pair(bar) and bar.basis == "model"
        ],
    }
    found = [
        f"{kind} ({len(distances)}): median {percent(median(distances))}, largest {percent(max(distances))}"
        for kind, distances in kinds.items()
        if distances
    ]
    left_out = f" {section.omitted} other pairs were not measured and are not listed." if section.omitted else ""
    return (
        "The distance says which share of the rows would have to move to make the synthetic counts equal to those of "
        "the training table, planted rows included. The real counts are not known to this report: what is expected, "
        "and the interval, follow from the noisy counts alone.",
        f"Expected distances: {'; '.join(found)}.{left_out}",
        f"Each interval covers the true distance with a chance of at least {percent(section.level, 0)}, by itself and "
        "not all of them at once. Where a column was measured in groups of values, both figures are about the groups. "
        "For pairs that were not measured together there is no bound, and the expected distance leaves out whatever "
        "the model does not know about the pair.",
    )


def _is_pair(bar: ErrorBarSection) -> bool:
    return len(bar.columns) > 1


def promise(document: CertificateDocument) -> tuple[str, ...]:
    """Return the guarantee in words."""
    claim = document.claim
    factor = math.exp(float(claim.epsilon))
    meaning = (
        f"Take any one protected unit, which here is {document.scope.unit}, and compare two worlds: it is in the "
        "training table, or it is not. Whatever is published is at most "
        f"{factor:.3g} times as likely in one world as in the other, up to a probability of {one_in(claim.delta)}.",
        f"The factor comes from epsilon ({plain_number(claim.epsilon)}), the probability is delta "
        f"({plain_number(claim.delta)}). The picture says what that means for somebody who has the published files and "
        "any other knowledge, and tries to tell who was in the training table.",
    )
    if document.verdict != "FAIL":
        return meaning
    return ("A check was not met, so this claim must not be relied on. It would mean the following.", *meaning)


def canary_story(document: CertificateDocument) -> tuple[str, ...]:
    """Return what the canary gate did and saw, in sentences."""
    canaries = document.canaries
    if canaries.drawn == 0:
        return canaries.reasons
    left_out = canaries.drawn - canaries.included
    return (
        f"Before training, {canaries.drawn} invented rows were drawn from the public schema. A coin was tossed for "
        f"each: {canaries.included} were planted among the training rows, {left_out} were left out.",
        f"Afterwards the synthetic table was asked, by a rule fixed beforehand, which of them it had seen. It gave "
        f"away {canaries.correct} of the {canaries.included} planted rows, and wrongly pointed at "
        f"{canaries.false_positives} of the {left_out} others.",
        _excess(canaries),
        _lower_bound(canaries, document.claim.epsilon),
        f"Had the table given away every planted row, the bound would have been {canaries.refutable_epsilon:.2f}; that "
        "is how much this test could see.",
        "Copies of invented rows were then removed from the table. No person's row was used in this test.",
    )


def _excess(canaries: CanariesSection) -> str:
    if canaries.verdict == "FAIL" and canaries.excess_lower > 0:
        bound = f"at least {percent(canaries.excess_lower)}"
    else:
        bound = f"at most {percent(max(0.0, canaries.excess_upper))}"
    return f"With {_confidence(canaries)} confidence it gives away {bound} of planted rows beyond what chance does."


def _confidence(canaries: CanariesSection) -> str:
    return f"{100 * (1 - significance_of(canaries)):.3g} %"


def _lower_bound(canaries: CanariesSection, claimed: str) -> str:
    epsilon_lower = canaries.epsilon_lower
    meaning = "Such a bound could have refuted the claim; it can never confirm it."
    if epsilon_lower == 0:
        return f"The right and the wrong guesses put no bound above 0 under epsilon. {meaning}"
    if epsilon_lower > float(claimed):
        meaning = f"That refutes the claim of epsilon {plain_number(claimed)}."
    return (
        f"From the right and the wrong guesses follows, with {_confidence(canaries)} confidence, an epsilon of at "
        f"least {epsilon_lower:.2f}. {meaning}"
    )


@dataclass(frozen=True, slots=True)
class ChargeGroup:
    """Charges of one kind.

    Attributes:
        kind: in words.
        count: how many.
        examples: what they were for, a few of them.
        more: how many purposes are not among the examples.
    """

    kind: str
    count: int
    examples: tuple[str, ...]
    more: int


def charge_groups(charges: Sequence[ChargeSection], examples: int = 6) -> tuple[ChargeGroup, ...]:
    """Return the charges by kind of noise, most frequent first."""
    kinds = Counter(str(charge.event.get("event")) for charge in charges)
    groups = []
    for kind, count in kinds.most_common():
        purposes = list(dict.fromkeys(charge.purpose for charge in charges if charge.event.get("event") == kind))
        groups.append(
            ChargeGroup(kind_in_words(kind), count, tuple(purposes[:examples]), max(0, len(purposes) - examples))
        )
    return tuple(groups)


def listed(words: Iterable[str]) -> str:
    """Return words as an English list."""
    items = list(words)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else "nothing"
