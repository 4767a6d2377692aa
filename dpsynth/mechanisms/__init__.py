"""How noise is added: each mechanism is one object that names its cost and draws its own integer noise."""

from dpsynth.mechanisms.base import Mechanism, Sensitivity
from dpsynth.mechanisms.discrete_laplace import DiscreteLaplaceMechanism
from dpsynth.mechanisms.exponential import ExponentialMechanism
from dpsynth.mechanisms.rounded_gaussian import RoundedGaussianMechanism

__all__ = [
    "DiscreteLaplaceMechanism",
    "ExponentialMechanism",
    "Mechanism",
    "RoundedGaussianMechanism",
    "Sensitivity",
]
