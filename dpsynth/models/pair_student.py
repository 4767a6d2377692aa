"""A student discriminator: it learns from noisy labels of samples which pairs of values real records have more often.

Labels say how much a sample is like real records, by a public kernel that compares records pair of columns by pair of
columns. So a label is one number about all pair tables at once, and many labels of different samples determine them
well enough for a generator to follow. docs/generators/pategan.md has the derivation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from dpsynth.models.factor import Floats
from dpsynth.schema.domain import Clique, Domain

STRENGTHS = (0.0, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32)
"""Correlations per pair of values that the student considers; zero means that the labels taught nothing."""

_LARGEST, _FLOOR = 32.0, 1e-9
_LEAST_DOUBT, _SCALINGS = 0.01, 20


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Estimates, from noisy labels, of how much samples are like real records.

    Attributes:
        features: for every column a float array (samples, groups): the row of the kernel's table for each sample.
        values: estimated mean over real records of the kernel between sample and record, float array (samples,).
        stddevs: standard deviation of the noise of each estimate, the same shape.
    """

    features: tuple[Floats, ...]
    values: Floats
    stddevs: Floats

    def followed_by(self, later: Labels) -> Labels:
        """Return both, one after the other."""
        return Labels(
            tuple(np.concatenate(both) for both in zip(self.features, later.features, strict=True)),
            np.concatenate([self.values, later.values]),
            np.concatenate([self.stddevs, later.stddevs]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class PairStudent:
    """What the student has learnt.

    Attributes:
        pairs: what it takes the pair tables of real records to be, as shares, by clique.
        strength: how far it believed pair tables to be from what was expected; 0 if labels taught it nothing.
        doubt: how far it may still be wrong: a standard deviation over the root of a cell's independent share.
    """

    pairs: Mapping[Clique, Floats]
    strength: float
    doubt: float


def likeness_of(shares: Floats, *, ordered: bool) -> Floats:
    """Return a table that says how much alike the codes of a column are, shape (codes, codes).

    Equal codes are alike; codes of an ordered column the more, the less mass lies between them. Each row has mean 0 and
    variance 1 over codes with these shares: independent columns look like nothing, and rare codes are no louder.
    """
    alike = np.eye(len(shares))
    if ordered:
        middles = np.cumsum(shares) - shares / 2
        alike = np.exp(-np.abs(middles[:, None] - middles) * len(shares))
    centred = alike - (alike @ shares)[:, None]
    scale = np.sqrt(np.square(centred) @ shares)
    return np.clip(centred / np.maximum(scale, _FLOOR)[:, None], -_LARGEST, _LARGEST)


def taught(
    labels: Labels, domain: Domain, columns: Mapping[str, Floats], expected: Mapping[Clique, Floats]
) -> PairStudent:
    """Return the student of `labels`: Gaussian regression of pair tables around `expected` ones.

    With u the features of a sample, its value is the sum over pairs of u_a' P_ab u_b, plus noise. Differences of P_ab
    and what is expected are taken for independent normal numbers of standard deviation `strength` times the root of the
    cell's share under independence. The strength is the one of `STRENGTHS` under which the labels are most probable.

    Args:
        labels: what was learnt from.
        domain: the columns, in groups.
        columns: the share of each group, by column.
        expected: the pair tables of the generator as it was before, as shares, by clique.

    Privacy: post-processing of labels that were charged before.

    Source: Rasmussen and Williams 2006, "Gaussian processes for machine learning", sections 2.2 and 5.4.
    """
    names = domain.names
    roots = {name: np.sqrt(columns[name]) for name in names}
    features = dict(zip(names, labels.features, strict=True))
    weighted = {name: features[name] * roots[name] for name in names}
    guess = np.zeros(len(labels.values))
    for first, second in combinations(names, 2):
        guess += np.einsum("qi,ij,qj->q", features[first], expected[first, second], features[second], optimize=True)
    single, both = np.zeros((len(guess), len(guess))), np.zeros((len(guess), len(guess)))
    for name in names:
        here = weighted[name] @ weighted[name].T
        both += single * here
        single += here
    scale = np.maximum(labels.stddevs, _FLOOR)
    powers, axes = np.linalg.eigh(both / np.outer(scale, scale))
    powers = np.maximum(powers, 0.0)
    seen = axes.T @ ((labels.values - guess) / scale)
    strength = max(STRENGTHS, key=lambda size: _evidence(powers, seen, size))
    pull = strength**2 * (axes @ (seen / (1 + strength**2 * powers))) / scale
    pairs: dict[Clique, Floats] = {}
    for first, second in combinations(names, 2):
        change = (weighted[first] * pull[:, None]).T @ weighted[second]
        table = expected[first, second] + np.outer(roots[first], roots[second]) * change
        pairs[first, second] = _table_of(table, columns[first], columns[second])
    before, after = strength**2 * powers, strength**2 * powers / (1 + strength**2 * powers)
    left = float(after.sum() / max(before.sum(), _FLOOR))
    return PairStudent(pairs, strength, strength * float(np.sqrt(max(_LEAST_DOUBT, left))))


def _table_of(table: Floats, first: Floats, second: Floats) -> Floats:
    """Return the table without negative cells, scaled until its margins are those of the columns, nearly."""
    fitted = np.maximum(table, _FLOOR)
    for _ in range(_SCALINGS):
        fitted *= (first / fitted.sum(axis=1))[:, None]
        fitted *= second / fitted.sum(axis=0)
    return fitted


def _evidence(powers: Floats, seen: Floats, strength: float) -> float:
    """Return the logarithm of the probability of what was seen, up to a constant."""
    variances = 1 + strength**2 * powers
    return float(-0.5 * (np.square(seen) / variances + np.log(variances)).sum())
