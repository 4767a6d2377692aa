"""How noise is added: each mechanism is one object that names its cost and draws its own integer noise."""

from dpsynth.mechanisms.base import Mechanism, Sensitivity
from dpsynth.mechanisms.discrete_gaussian import DiscreteGaussianMechanism
from dpsynth.mechanisms.discrete_laplace import DiscreteLaplaceMechanism
from dpsynth.mechanisms.exponential import ExponentialMechanism

__all__ = [
    "DiscreteGaussianMechanism",
    "DiscreteLaplaceMechanism",
    "ExponentialMechanism",
    "Mechanism",
    "Sensitivity",
]
