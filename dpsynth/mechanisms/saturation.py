"""Addition of noise to counts that can neither wrap around nor fail."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput

_LIMITS = np.iinfo(np.int64)


def require_integers(value: NDArray[np.int64]) -> None:
    """Refuse anything but an int64 array; integer noise on floating-point numbers protects nothing.

    Raises:
        InvalidInput: naming the type only.
    """
    if not isinstance(value, np.ndarray) or value.dtype != np.int64:
        raise InvalidInput("integer mechanisms take int64 arrays; round or encode the query first")


def add_saturating(value: NDArray[np.int64], noise: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return value + noise with results beyond int64 held at its limits, in the shape of `value`.

    It never raises on a large value: an exception would tell an observer about the value. Holding the exact sum at a
    public limit is post-processing.

    Source: overflow detection, Warren, "Hacker's Delight" (2nd edition), chapter 2.

    Args:
        value: exact counts, any shape.
        noise: as many draws, shape (value.size,).
    """
    flat = value.reshape(-1)
    total: NDArray[np.int64] = flat + noise  # wraps around
    # Signed addition wrapped exactly where the sum's sign differs from the sign of both terms.
    wrapped = ((flat ^ total) & (noise ^ total)) < 0
    total[wrapped] = np.where(flat[wrapped] < 0, _LIMITS.min, _LIMITS.max)
    return total.reshape(value.shape)
