"""Uniform rows of the public domain that obey the rules of the schema: where canaries and their threshold come from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dpsynth.models import CliqueVector, GraphicalModel
from dpsynth.schema.domain import Domain
from dpsynth.schema.schema import Schema


def obeying_rows(schema: Schema, count: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Return `count` possible rows drawn uniformly over ordinary values, shape (count, columns).

    Missing and outside slots are left out: real rows crowd there in some columns and would look like canaries. They are
    drawn only where the rules leave no row without them.

    Privacy: reads the schema only.
    """
    zeros, names = schema.constraints, schema.domain.names
    allowed = _drawn_from(schema)
    atoms = {name: zeros.atoms(name) for name in names}
    weights = {name: np.bincount(atoms[name], weights=allowed[name].astype(np.float64)) for name in names}
    domain = Domain(names, tuple(weights[name].size for name in names))
    masks = zeros.merged(atoms)
    potentials = CliqueVector.zeros(domain, [*((name,) for name in names), *masks])
    with np.errstate(divide="ignore"):
        for name in names:
            potentials[name,].values[...] = np.log(weights[name])
    for clique, mask in masks.items():
        potentials[clique].values[mask] = -np.inf
    drawn = GraphicalModel.from_potentials(potentials, 1.0).sample(count, rng)
    rows = np.empty((count, len(names)), dtype=np.int32)
    for place, name in enumerate(names):
        for atom in np.unique(drawn[:, place]):
            here = drawn[:, place] == atom
            rows[here, place] = rng.choice(np.flatnonzero((atoms[name] == atom) & allowed[name]), size=here.sum())
    return rows


def obeying_combinations(schema: Schema) -> int:
    """Return how many rows `obeying_rows` draws from."""
    return schema.constraints.possible_records(_drawn_from(schema))


def _drawn_from(schema: Schema) -> Mapping[str, NDArray[np.bool_]]:
    """Return per column which codes are drawn: the ordinary ones, or all where rules leave no row of those."""
    ordinary = {column.name: np.arange(column.size) < column.declared_size for column in schema.columns}
    if schema.constraints.possible_records(ordinary):
        return ordinary
    return {column.name: np.ones(column.size, dtype=np.bool_) for column in schema.columns}
