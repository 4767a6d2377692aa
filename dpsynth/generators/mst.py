"""MST: a maximum spanning tree of dependent pairs, chosen privately and measured once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator.queries import MarginalQueries, MarginalSession
from dpsynth.errors import InvalidInput
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.generators.multi_resolution import multi_resolution
from dpsynth.generators.noisy_columns import as_measurements
from dpsynth.generators.working_domain import WorkingDomain, largest_working_domain, measure_working_domain
from dpsynth.models import GraphicalModel, estimate
from dpsynth.models.junction_tree import JunctionTree
from dpsynth.models.pair_growth import pair_growth
from dpsynth.progress import phase
from dpsynth.schema.domain import Clique, Domain
from dpsynth.schema.workload import Workload

_FINAL_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class MST:
    """Three equal thirds of squared mu: every column, the choice of a spanning tree of pairs, the pairs of the tree.

    Attributes:
        largest_marginal: most cells of one pair; larger pairs cannot become edges, so the tree may become a forest.
        largest_model: most cells of the junction tree where the schema declares rules about several columns; pairs that
            would exceed it cannot become edges. Without such rules the model is the tree itself.

    Source: McKenna, Miklau and Sheldon 2021, "Winning the NIST contest", section 4 and algorithm 2.
    """

    largest_marginal: int = 1_000_000
    largest_model: int = 2_000_000

    def __post_init__(self) -> None:
        """Refuse parameters that cannot work.

        Raises:
            InvalidInput: naming the parameter and what it may be.
        """
        for name, limit in (("largest_marginal", self.largest_marginal), ("largest_model", self.largest_model)):
            if limit < 1:
                raise InvalidInput(f"{name} must be at least 1 cell, not {limit}")

    @property
    def name(self) -> str:
        """The name in the registry."""
        return "mst"

    def fit(
        self,
        curator: MarginalQueries,
        budget: PrivacyBudget,
        *,
        rng: np.random.Generator,  # noqa: ARG002 - part of the protocol; this generator makes no public choice
    ) -> FittedGraphicalModel:
        """Return the fitted generator; see `Synthesizer.fit`.

        Privacy: at most `budget`. Which pairs may become edges, and so the number of steps, follows from the schema
        and from earlier choices; one third of squared mu each for columns, choices and edges, the rest for the edges.
        """
        largest, workload = largest_working_domain(curator.schema), curator.schema.workload
        pairs: list[Clique] = [
            pair for pair in combinations(largest.names, 2) if largest.cells(pair) <= self.largest_marginal
        ]
        edges = len(largest) - _groups(largest.names, pairs)
        with curator.within(budget, purpose="fit mst") as session:
            third = session.mu_squared / 3
            working = measure_working_domain(session, curator.schema, third if edges else session.mu_squared)
            answers = list(working.columns)
            resolutions = multi_resolution(curator.schema, answers, ())
            measurements = as_measurements(curator.schema, answers)
            model = estimate(resolutions.domain, measurements, impossible=resolutions.impossible)
            rules = [clique for clique in resolutions.impossible if len(clique) > 1]
            tree = self._spanning_tree(session, working, model, pairs, edges, rules, workload) if edges else []
            share = session.remaining_mu_squared / max(1, len(tree))
            with phase("measure the tree", edges) as advance:
                for pair in tree:
                    answers.append(session.measure(pair, share, groupings=working.groupings))
                    advance(1)
        model = estimate(
            resolutions.domain,
            as_measurements(curator.schema, answers),
            warm_start=model,
            tolerance=_FINAL_TOLERANCE,
            impossible=resolutions.impossible,
        )
        return FittedGraphicalModel(
            schema=curator.schema,
            model=model,
            measurements=(*answers, *working.groundwork),
            merged=working.merged,
            provenance={
                "generator": self.name,
                "largest_marginal": str(self.largest_marginal),
                "largest_model": str(self.largest_model),
            },
        )

    def _spanning_tree(
        self,
        session: MarginalSession,
        working: WorkingDomain,
        independent: GraphicalModel,
        pairs: list[Clique],
        edges: int,
        rules: list[Clique],
        workload: Workload,
    ) -> list[Clique]:
        """Return the edges that Kruskal's algorithm takes when every step is one exponential mechanism.

        The score of a pair is its weight in the workload times the L1 distance of its counts to those of independent
        columns, which does not change from step to step; what changes is which pairs still join two groups of columns.

        Privacy: at most one third of the session's squared mu; where one pair is left there is no choice to pay for.
        """
        estimates = independent.marginals(pairs)
        group = {name: place for place, name in enumerate(working.domain.names)}
        chosen: list[Clique] = []
        with phase("choose the tree", edges) as advance:
            for _ in range(edges):
                joining = [pair for pair in pairs if group[pair[0]] != group[pair[1]]]
                if rules:
                    joining = self._within_limit(independent.domain, [*rules, *chosen], joining)
                if not joining:
                    break
                (edge,) = (
                    joining
                    if len(joining) == 1
                    else session.select(
                        {pair: estimates[pair] for pair in joining},
                        session.mu_squared / 3 / edges,
                        weights={pair: workload.weight(pair) for pair in joining},
                        penalties=dict.fromkeys(joining, 0.0),
                        groupings=working.groupings,
                    )
                )
                chosen.append(edge)
                kept, gone = group[edge[0]], group[edge[1]]
                group = {name: kept if place == gone else place for name, place in group.items()}
                advance(1)
        return chosen

    def _within_limit(self, domain: Domain, cliques: list[Clique], pairs: list[Clique]) -> list[Clique]:
        """Return the pairs with which the model stays in bounds; rules close cycles, which a tree alone never has."""
        tree = JunctionTree.of(domain, cliques)
        growth = pair_growth(tree)
        return [pair for pair in pairs if growth[pair] == 0 or tree.cells + growth[pair] <= self.largest_model]


def _groups(names: Clique, pairs: list[Clique]) -> int:
    """Return the number of connected groups of columns when all `pairs` are edges."""
    group = {name: place for place, name in enumerate(names)}
    for first, second in pairs:
        kept, gone = group[first], group[second]
        if kept != gone:
            group = {name: kept if place == gone else place for name, place in group.items()}
    return len(set(group.values()))
