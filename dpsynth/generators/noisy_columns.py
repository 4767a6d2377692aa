"""The first step that marginal-based generators share: every single column, measured once."""

from __future__ import annotations

import math
from fractions import Fraction

from dpsynth.curator.queries import MarginalSession, NoisyMarginal
from dpsynth.progress import phase
from dpsynth.schema.domain import Domain


def measure_columns(session: MarginalSession, domain: Domain, rho: Fraction) -> list[NoisyMarginal]:
    """Return one noisy marginal per column, in the order of the domain.

    Privacy: at most `rho`, in equal shares.
    """
    share = rho / len(domain)
    answers = []
    with phase("measure columns", len(domain)) as advance:
        for name in domain.names:
            answers.append(session.measure((name,), share))
            advance(1)
    return answers


def expected_noise(rho: Fraction, max_rows_per_unit: int) -> float:
    """Return the expected absolute noise in one cell of a marginal that is measured at `rho`, in rows.

    The mean of a centred normal variable's absolute value is sqrt(2 / pi) times its standard deviation, and the
    standard deviation that costs `rho` is max_rows_per_unit / sqrt(2 rho).
    """
    return math.sqrt(2 / math.pi) * max_rows_per_unit / math.sqrt(2 * float(rho))
