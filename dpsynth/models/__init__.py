"""Public mathematics: graphical models over noisy marginals. Nothing here ever sees a private value."""

from dpsynth.models.clique_vector import CliqueVector
from dpsynth.models.estimation import estimate
from dpsynth.models.factor import Factor
from dpsynth.models.graphical_model import GraphicalModel
from dpsynth.models.junction_tree import JunctionTree
from dpsynth.models.measurement import Measurement, estimated_total

__all__ = ["CliqueVector", "Factor", "GraphicalModel", "JunctionTree", "Measurement", "estimate", "estimated_total"]
