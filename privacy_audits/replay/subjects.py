"""What is replayed: every generator at a small size, a training with a hostile loss, votes, discovery."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator.discovery import discover_categories
from dpsynth.curator.gradient_queries import TrainingPlan
from dpsynth.curator.vote_queries import Teaching
from dpsynth.generators.registry import GENERATORS, generator
from dpsynth.ledger import Ledger
from dpsynth.randomness import NoiseSource
from dpsynth.schema.schema import Schema
from privacy_audits.replay.replay import BUDGET, EVENT_DELTA, Door, Published, Run, fit_of, front_door
from privacy_audits.replay.scenes import FIELDS

_SMALL = {
    "components": 8,
    "hidden": 8,
    "critics": 3,
    "units": 3,
    "warm_steps": 2,
    "generator_steps": 1,
    "decoder_steps": 1,
    "last_steps": 2,
    "samples": 12,
    "iterations": 4,
}
"""Sizes of networks and trainings; what is asked and how it is bounded does not depend on them."""

PLAN = TrainingPlan(
    noise_multiplier=1.5, sampling_probability=0.5, steps=4, clipping_norm=1.0, public_units=40, delta=EVENT_DELTA
)


def small(name: str) -> Any:
    """Return the generator called `name` at a size that fits a table of ten rows in a moment."""
    made: Any = generator(name)
    known = {field.name for field in dataclasses.fields(made)}
    changed = {field: size for field, size in _SMALL.items() if field in known}
    if name == "dptvae":
        changed["rounds"] = 3
    return dataclasses.replace(made, **changed)


def training_of(door: Door = front_door) -> Run:
    """Return a training whose gradients are a hundred clipping norms long, and not finite for a row without an age."""

    def run(table: pd.DataFrame, schema: Schema, ledger: Ledger, noise: NoiseSource) -> Published:
        curator = door(table, schema, ledger, noise)
        sizes, place = schema.domain.sizes, schema.domain.position("age")
        weights, present = np.zeros(sum(sizes)), np.zeros(sum(sizes))
        start = sum(sizes[:place])
        present[start : start + sizes[place]] = 1.0
        missing = schema.column("age").missing_code
        if missing is not None:
            present[start + missing] = 0.0
        said = []
        with curator.training(PLAN, _hostile, [weights], auxiliary=[present], purpose="train") as session:
            while session.steps_left:
                answer = session.noisy_gradient([weights], [present])
                weights = weights - 0.1 * answer.parts[0]
                said.append(answer.parts[0].tobytes())
        return b"".join(said), curator.charged

    return run


def voting_of(teachers: int = 4) -> Run:
    """Return what has so many teachers vote on forty records, twice."""

    def run(table: pd.DataFrame, schema: Schema, ledger: Ledger, noise: NoiseSource) -> Published:
        curator = front_door(table, schema, ledger, noise)
        sizes = schema.domain.sizes
        records = np.random.default_rng(0).integers(0, sizes, (50, len(sizes)))
        alike = tuple(np.eye(size, dtype=np.int64) * 4 for size in sizes)
        teaching = Teaching(teachers, tuple(np.arange(size) for size in sizes), alike)
        with curator.within(BUDGET, purpose="vote") as session:
            share = session.mu_squared / 4
            said = [session.votes(teaching, records[:40], records[10 * i :], share).counts.tobytes() for i in (2, 4)]
        return b"".join(said), curator.charged

    return run


def discovery_of() -> Run:
    """Return what looks for the categories of one column, with a charge."""

    def run(table: pd.DataFrame, schema: Schema, ledger: Ledger, noise: NoiseSource) -> Published:
        people = schema.unit.id_column is not None
        unit = f"id_column: person, max_rows_per_unit: {schema.unit.max_rows_per_unit}" if people else "kind: row"
        opened = Schema.from_text(
            FIELDS.replace("categories: [none, early, late]", "dpsynth: {categories: private}")
            + f"dpsynth: {{unit: {{{unit}}}, public_rows: 40}}\n",
            source="the auditor's table",
        )
        found = discover_categories(table, opened, PrivacyBudget(10, "2e-5"), ledger=ledger, noise=noise)
        return repr(found.categories).encode(), None

    return run


def subjects() -> dict[str, Run]:
    """Return everything that is replayed, by name."""
    fits = {entry.name: fit_of(small(entry.name)) for entry in GENERATORS}
    return {**fits, "training": training_of(), "votes": voting_of(), "discovery": discovery_of()}


def _hostile(parameters: Any, row: Any, auxiliary: Any) -> Any:
    import torch

    return (torch.log((row * auxiliary[0]).sum()) + 100.0) * (row * parameters[0]).sum()
