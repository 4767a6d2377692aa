"""All marginals of a small table, measured once: nothing is chosen, and the model holds every cell of the table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator.queries import Grouping, MarginalQueries, MarginalSession, NoisyMarginal
from dpsynth.errors import InvalidInput
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.generators.noisy_columns import as_measurements, expected_noise, in_proportion
from dpsynth.generators.working_domain import WorkingDomain, largest_working_domain, measure_working_domain
from dpsynth.models import Measurement, estimate
from dpsynth.models.merged_column import MergedColumn
from dpsynth.progress import phase
from dpsynth.schema.domain import Clique, Domain
from dpsynth.schema.merging import KeepCodes
from dpsynth.schema.schema import Schema
from dpsynth.schema.workload import Workload

_FINAL_TOLERANCE = 1e-4
_MOST_COLUMNS_OF_A_TABLE = 4
_MOST_TABLES = 1_000
_POWER = 2 / 3


@dataclass(frozen=True, slots=True)
class AllMarginals:
    """All pairs once, or all triples, or all sets of four: as many columns as the noise allows.

    Attributes:
        largest_table: most cells of the whole table, codes that a rule excludes left out; above, it refuses.
        column_share: part of the budget that measures the single columns.
        noise_in_a_table: total-variation distance that noise alone may add to the mean table of three columns or more.

    Source: McKenna, Sheldon and Miklau 2019 (graphical models of noisy marginals); the split of the budget: Xiao et al.
        2023, ResidualPlanner.
    """

    largest_table: int = 250_000
    column_share: float = 0.1
    noise_in_a_table: float = 0.03

    def __post_init__(self) -> None:
        """Refuse parameters that cannot work.

        Raises:
            InvalidInput: naming the parameter and what it may be.
        """
        if self.largest_table < 1:
            raise InvalidInput(f"largest_table must be at least 1 cell, not {self.largest_table}")
        if not 0 < self.column_share < 1:
            raise InvalidInput(f"column_share must be between 0 and 1, not {self.column_share}")
        if not self.noise_in_a_table >= 0:
            raise InvalidInput(f"noise_in_a_table must not be negative, not {self.noise_in_a_table}")

    @property
    def name(self) -> str:
        """The name in the registry."""
        return "all_marginals"

    def fit(
        self,
        curator: MarginalQueries,
        budget: PrivacyBudget,
        *,
        rng: np.random.Generator,  # noqa: ARG002 - part of the protocol; this generator makes no public choice
    ) -> FittedGraphicalModel:
        """Return the fitted generator; see `Synthesizer.fit`.

        Privacy: at most `budget`: discrete Gaussian noise on one table per column and on all tables of two, three or
        four columns. Which of these follows from the noisy number of rows.

        Raises:
            InvalidInput: the whole table has more than `largest_table` cells.
        """
        schema = curator.schema
        if possible_cells(schema) > self.largest_table:
            raise InvalidInput(
                f"all_marginals holds every cell of the table, at most {self.largest_table:,}, and this one has "
                f"{possible_cells(schema):,}; use aim or mixture"
            )
        several = len(schema.columns) > 1
        with curator.within(budget, purpose="fit all_marginals") as session:
            share = Fraction(str(self.column_share)) if several else Fraction(1)
            working = measure_working_domain(session, schema, share * session.mu_squared)
            possible = _Possible(schema, working)
            columns = possible.columns(working)
            answers = self._measure_tables(session, schema, possible, columns) if several else []
        model = estimate(
            possible.domain,
            [*columns, *as_measurements(schema, answers)],
            tolerance=_FINAL_TOLERANCE,
            impossible=possible.impossible,
        )
        return FittedGraphicalModel(
            schema=schema,
            model=model,
            measurements=(*working.columns, *answers, *working.groundwork),
            merged=possible.merged(working),
            provenance={
                "generator": self.name,
                "largest_table": str(self.largest_table),
                "column_share": str(self.column_share),
                "noise_in_a_table": str(self.noise_in_a_table),
            },
        )

    def _measure_tables(
        self, session: MarginalSession, schema: Schema, possible: _Possible, columns: Sequence[Measurement]
    ) -> list[NoisyMarginal]:
        """Return all tables over as many columns as the noise allows, with all that is left of the budget."""
        rows = max(1.0, float(np.mean([column.counts.sum() for column in columns])))
        order = 2
        for larger in range(min(_MOST_COLUMNS_OF_A_TABLE, len(possible.domain)), 2, -1):
            count = math.comb(len(possible.domain), larger)
            noise = expected_noise(session.remaining_mu_squared / count, schema.unit.max_rows_per_unit)
            cells = float(np.mean([possible.domain.cells(table) for table in _tables(possible.domain, larger)]))
            if count <= _MOST_TABLES and 0.5 * cells * noise / rows <= self.noise_in_a_table:
                order = larger
                break
        tables = _tables(possible.domain, order)
        shares = _shares(possible.domain, schema.workload, tables)
        left = session.remaining_mu_squared
        answers = []
        with phase("measure all tables", len(tables)) as advance:
            for table, share in zip(tables, shares, strict=True):
                answers.append(session.measure(table, share * left, groupings=possible.groupings))
                advance(1)
        return answers


def possible_cells(schema: Schema) -> int:
    """Return a public bound of the cells of the whole table, codes left out that a rule excludes by themselves."""
    largest = largest_working_domain(schema)
    sizes = [
        int((~_excluded(schema, column.name)).sum())
        if isinstance(column.merging, KeepCodes)
        else largest.size(column.name)
        for column in schema.columns
    ]
    return math.prod(sizes)


class _Possible:
    """The working domain without codes that no record has: each of them shares the group of the one before it.

    Attributes:
        domain: the columns with their numbers of possible codes.
        groupings: the columns in which something is merged, by name.
        impossible: what is left of the rules: combinations of several columns.
    """

    def __init__(self, schema: Schema, working: WorkingDomain) -> None:
        """Find the groups; no answer is needed that was not given."""
        names = schema.domain.names
        self._kept: dict[str, NDArray[np.bool_]] = {}
        self._groups: dict[str, NDArray[np.int64]] = {}
        for name in names:
            kept = ~_excluded(schema, name)
            if name in working.merged:
                kept = np.bincount(working.merged[name].groups, weights=kept) > 0
            self._kept[name] = kept
            self._groups[name] = np.maximum(np.cumsum(kept) - 1, 0)
        self.domain = Domain(names, tuple(int(self._kept[name].sum()) for name in names))
        self._of_codes = {
            name: self._groups[name][working.merged[name].groups] if name in working.merged else self._groups[name]
            for name in names
        }
        self.groupings = {
            name: Grouping(name, tuple(groups.tolist()))
            for name, groups in self._of_codes.items()
            if groups.max() + 1 < len(groups)
        }
        firsts = {
            name: np.array(
                [np.flatnonzero((groups == group) & ~_excluded(schema, name))[0] for group in range(groups.max() + 1)]
            )
            for name, groups in self._of_codes.items()
        }
        self.impossible: Mapping[Clique, NDArray[np.bool_]] = {
            clique: mask[np.ix_(*(firsts[name] for name in clique))]
            for clique, mask in schema.constraints.masks.items()
            if len(clique) > 1
        }

    def columns(self, working: WorkingDomain) -> list[Measurement]:
        """Return the noisy columns, possible codes only."""
        return [
            Measurement(answer.clique, answer.counts[self._kept[answer.clique[0]]].astype(np.float64), answer.stddev)
            for answer in working.columns
        ]

    def merged(self, working: WorkingDomain) -> dict[str, MergedColumn]:
        """Return how records get their codes back."""
        merged = {}
        for name in self.groupings:
            shares = self._kept[name].astype(np.float64)
            if name in working.merged:
                shares = shares[working.merged[name].groups] * working.merged[name].shares
            merged[name] = MergedColumn(self._of_codes[name], shares)
        return merged


def _excluded(schema: Schema, name: str) -> NDArray[np.bool_]:
    """Return True for codes that a rule excludes by themselves, such as an absent value in a column that has none."""
    return schema.constraints.masks.get((name,), np.zeros(schema.domain.size(name), dtype=np.bool_))


def _tables(domain: Domain, order: int) -> list[Clique]:
    return list(combinations(domain.names, min(order, len(domain))))


def _shares(domain: Domain, workload: Workload, tables: Sequence[Clique]) -> list[Fraction]:
    """Return the part of each table, in proportion to (weight times cells)^(2/3).

    The weighted sum of expected L1 errors, each proportional to cells / sqrt(part), is then smallest.
    """
    return in_proportion([(workload.weight(table) * domain.cells(table)) ** _POWER for table in tables])
