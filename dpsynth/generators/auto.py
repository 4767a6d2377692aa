"""Auto: picks the generator that the benchmarks favour for what is publicly known about a table."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.curator.queries import MarginalQueries
from dpsynth.generators.aim import AIM
from dpsynth.generators.all_marginals import AllMarginals, possible_cells
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.generators.mixture import Mixture
from dpsynth.generators.noisy_tables import refusal_of
from dpsynth.schema.schema import Schema

SMALL_TABLE = 20_000
"""Cells of a whole table; the largest one that was measured has 15,360."""

FAINT_SIGNAL = 500
"""Rows in units of noise: the coded Adult table has 240 at epsilon 0.03, 780 at 0.1 and 7,100 at 1."""


@dataclass(frozen=True, slots=True)
class PublicFacts:
    """What a choice rests on; nothing here comes from rows.

    Attributes:
        cells: cells of the whole table, codes that a rule excludes left out.
        signal: declared units times mu over the most rows of a unit: how many rows there are in units of the noise
            that a single question would get if everything were spent on it. None where no number of units is declared.
        grouped: whether the workload groups by a column.
        fits_mixture: whether `mixture` takes the schema.
    """

    cells: int
    signal: float | None
    grouped: bool
    fits_mixture: bool

    @staticmethod
    def of(schema: Schema, budget: PrivacyBudget) -> PublicFacts:
        """Return the facts about a table that is synthesized within `budget`.

        Raises:
            InvalidBudget: `budget` has no delta.
        """
        rows, mu = schema.public_rows, math.sqrt(mu_squared_from_budget(budget))
        return PublicFacts(
            cells=possible_cells(schema),
            signal=None if rows is None else rows * mu / schema.unit.max_rows_per_unit,
            grouped=schema.workload.group_by is not None,
            fits_mixture=refusal_of(schema) is None,
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table in docs/generators/auto.md; the first one that applies decides.

    Attributes:
        generator: the name in the registry.
        make: returns the generator with default hyperparameters.
        applies: whether the rule applies.
        reason: the same in words.
    """

    generator: str
    make: Callable[[], AIM | AllMarginals | Mixture]
    applies: Callable[[PublicFacts], bool]
    reason: str


RULES: tuple[Rule, ...] = (
    Rule(
        "all_marginals",
        AllMarginals,
        lambda facts: facts.cells <= SMALL_TABLE,
        f"the whole table has at most {SMALL_TABLE:,} cells",
    ),
    Rule(
        "aim",
        AIM,
        lambda facts: facts.grouped,
        "the workload groups by a column",
    ),
    Rule(
        "mixture",
        Mixture,
        lambda facts: facts.fits_mixture and facts.signal is not None and facts.signal < FAINT_SIGNAL,
        f"the declared rows times mu come to less than {FAINT_SIGNAL}, and mixture takes the table",
    ),
    Rule("aim", AIM, lambda _: True, "no other generator is known to be better for such a table"),
)
"""In order of precedence."""


@dataclass(frozen=True, slots=True)
class Auto:
    """Picks a generator by the first rule that applies; see docs/generators/auto.md for the evidence.

    Privacy: the rules read the schema and the budget only, so the choice costs nothing.
    """

    @property
    def name(self) -> str:
        """The name in the registry."""
        return "auto"

    def choose(self, schema: Schema, budget: PrivacyBudget) -> Rule:
        """Return the rule that decides for a table that is synthesized within `budget`.

        Raises:
            InvalidBudget: `budget` has no delta.
        """
        facts = PublicFacts.of(schema, budget)
        return next(rule for rule in RULES if rule.applies(facts))

    def fit(self, curator: MarginalQueries, budget: PrivacyBudget, *, rng: np.random.Generator) -> FittedGraphicalModel:
        """Return what the chosen generator makes; its provenance says which one it was, and why.

        Privacy: at most `budget`, as the chosen generator spends it.
        """
        rule = self.choose(curator.schema, budget)
        fitted = rule.make().fit(curator, budget, rng=rng)
        return replace(fitted, provenance={**fitted.provenance, "chosen_by": f"auto: {rule.reason}"})
