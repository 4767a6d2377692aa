"""What networks that are trained on rows have in common: noisy tables first, and a network that is warm from them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Protocol

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator.gradient_queries import GradientQueries, TrainingPlan
from dpsynth.curator.queries import MarginalQueries
from dpsynth.errors import InvalidInput
from dpsynth.generators.column_network import ColumnNetwork
from dpsynth.generators.marginal_distance import MarginalDistance
from dpsynth.generators.network_training import NetworkTraining
from dpsynth.generators.noisy_tables import NoisyTables, measure_columns, measure_pairs
from dpsynth.progress import phase

_MOST_CODES = 2500
"""Most groups of all columns together; what trainings look at are matrices with a line for each."""

_PER_CELL = 8
"""Most inputs, and units of a hidden layer, for each group of all columns: small tables need no large network."""

_LARGEST_BATCH = 40_000
"""Expected rows of a batch; below as many declared rows every row is in every batch."""

_ROWS_AT_ONCE = 2048
"""Rows that the door takes in one piece; for speed only."""


class Queries(MarginalQueries, GradientQueries, Protocol):
    """Noisy marginals and noisy gradients."""


def share_of_training(curator: Queries, wanted: float | None, by_default: Fraction, *, parameter: str) -> Fraction:
    """Return the part of the budget after the columns that trains on rows.

    The rule, fixed in advance and by public facts only: `by_default` where the budget sets delta aside for a training,
    and nothing where it sets none aside.

    Args:
        curator: says what is set aside.
        wanted: what the user wants; None leaves it to the rule.
        by_default: what the rule gives.
        parameter: what users call it.

    Raises:
        InvalidInput: a training is wanted, and the budget has no delta for it.
    """
    can_train = curator.event_delta > 0
    if wanted is None:
        return by_default if can_train else Fraction(0)
    if wanted and not can_train:
        raise InvalidInput(
            "training on rows needs a delta of its own, and the budget sets none aside: set the budget of a new data "
            f"set with --event-delta (`event_delta` in Python), or {parameter} to 0"
        )
    return Fraction(str(wanted))


def measured(
    curator: Queries,
    budget: PrivacyBudget,
    *,
    purpose: str,
    event_delta: Decimal,
    column_share: float,
    training_share: Fraction,
    noise_in_a_pair: float,
) -> tuple[NoisyTables, Fraction]:
    """Return noisy columns and pairs, and the squared mu that is left for a training.

    Args:
        curator: answers.
        budget: for everything.
        purpose: for the ledger.
        event_delta: the part of the budget's delta that is left for the training.
        column_share: part of the budget that measures the single columns.
        training_share: part of the rest that is left for the training; at 1 no pair is measured.
        noise_in_a_pair: see `measure_columns`.

    Privacy: at most `budget` less what is left.
    """
    schema = curator.schema
    with curator.within(PrivacyBudget(budget.epsilon, budget.delta - event_delta), purpose=purpose) as session:
        columns = session.mu_squared * (Fraction(str(column_share)) if len(schema.columns) > 1 else 1)
        left = session.mu_squared - columns
        tables = measure_columns(
            session,
            schema,
            columns,
            left_for_pairs=left or columns,
            noise_in_a_pair=noise_in_a_pair,
            most_codes=_MOST_CODES,
        )
        if left and training_share < 1:
            tables = measure_pairs(session, tables, left * (1 - training_share))
        return tables, session.remaining_mu_squared


def plan_within(mu_squared: Fraction, tables: NoisyTables, *, steps: int, delta: Decimal) -> TrainingPlan:
    """Return the training of so many steps, in large batches, that costs at most `mu_squared`.

    Gradients of one row are of length 1 at the clipping norm, and of a unit at most as long as its rows together.

    Privacy: public arithmetic; nothing is charged.
    """
    schema = tables.schema
    probability = min(1.0, _LARGEST_BATCH / max(1, schema.public_rows or _LARGEST_BATCH))
    return TrainingPlan(
        noise_multiplier=steps**0.5 * probability,
        sampling_probability=probability,
        steps=steps,
        clipping_norm=float(schema.unit.max_rows_per_unit),
        public_units=max(1, round(tables.total)),
        delta=delta,
        rows_at_once=_ROWS_AT_ONCE,
    ).within(mu_squared)


def warmed(
    tables: NoisyTables,
    *,
    components: int,
    hidden: int,
    information_price: float,
    steps: int,
    learning_rate: float,
    rng: np.random.Generator,
) -> tuple[NetworkTraining, MarginalDistance]:
    """Return a network that was trained on noisy columns and pairs, and its loss.

    Args:
        tables: what was measured.
        components: inputs of the network, where the fitted model has room for so many and columns have enough groups.
        hidden: units of its two hidden layers, where columns have enough groups.
        information_price: see `MarginalDistance`.
        steps: of the training.
        learning_rate: of the training.
        rng: public randomness.

    Privacy: post-processing of measurements that were charged before.
    """
    most = _PER_CELL * sum(tables.domain.sizes)
    started = ColumnNetwork.started(
        tables.domain,
        tables.columns.counts / tables.total,
        components=tables.most_components(min(components, most)),
        hidden=min(hidden, most),
        rng=rng,
    )
    network = NetworkTraining(started)
    distance = MarginalDistance(tables, information_price=information_price, like=started.weights[0])
    with phase("warm the network", steps) as advance:
        for _ in range(steps):
            network.step(distance, learning_rate)
            advance(1)
    return network, distance
