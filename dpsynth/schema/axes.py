"""The declared values of a column: categories, numbers, moments or truth values, each placed on codes 0 to size - 1.

An axis knows nothing of missing cells and of cells outside the declared domain: where it has no place for a reading it
says None, and the column decides.
"""

from __future__ import annotations

from typing import TypeAlias

from dpsynth.schema.category_axis import CategoryAxis
from dpsynth.schema.moment_axis import MomentAxis
from dpsynth.schema.number_axis import NumberAxis
from dpsynth.schema.truth_axis import TruthAxis

__all__ = ["Axis", "CategoryAxis", "MomentAxis", "NumberAxis", "TruthAxis"]

Axis: TypeAlias = CategoryAxis | NumberAxis | MomentAxis | TruthAxis
"""The closed union of everything that a column may declare."""
