"""Audits one generator of the registry: the games that are due of it, played, counted and judged."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.attacks.repeated_runs import PairedRuns
from dpsynth.auditing.audit_record import AuditRecord, GameCounts, NoiseCounts
from dpsynth.auditing.game import Door, Game
from dpsynth.auditing.neighbors import NeighborPair, full_pair, worst_case_pair
from dpsynth.certification.sections import software_versions
from dpsynth.certification.source_digest import source_sha256
from dpsynth.generators.base import Synthesizer

SMOKE_RUNS = 200
"""Fits per world of a quick audit: a true epsilon of 5 that is claimed as 1 does not escape."""

CAMPAIGN_RUNS = 10_000
"""Fits per world of a recorded campaign: by a perfect statistic, the bound comes within 6 % of the truth."""

_DEARER_FITS = {"dpctgan": 100, "dptvae": 100, "pategan": 100}
"""Fits per world in a campaign, where every fit trains a network and takes seconds, not milliseconds."""

_ROWS = 10_000
"""Synthetic rows that the black-box attacker asks for."""

_MORE_ROWS = 100_000
"""The same of mixtures, which draw rows component by component: 10,000 of them blur a count as noise does."""


def due_runs(generator: str, *, smoke: bool = False) -> int:
    """Return how often a generator is fitted in each world: as often as a campaign or a quick audit can afford."""
    campaign = _DEARER_FITS.get(generator, CAMPAIGN_RUNS)
    return min(SMOKE_RUNS, campaign) if smoke else campaign


def _due_rows(generator: str) -> int:
    return _MORE_ROWS if generator in ("mixture", *_DEARER_FITS) else _ROWS


def due_pairs() -> tuple[NeighborPair, ...]:
    """Return the worlds that every generator of marginals is tried in.

    Two columns leave nothing to choose and no cell is empty: all that is charged is noise, and rows show it as well as
    answers, so the bounds are as tight as counting allows. The three columns of the second pair are chosen among, and
    what they have in common is empty.
    """
    return full_pair(2, rows_per_cell=60), worst_case_pair(3, rows=10)


def audit_generator(
    generator: Synthesizer[Any],
    claim: PrivacyBudget,
    *,
    runs: int,
    rng: np.random.Generator,
    pairs: tuple[NeighborPair, ...] | None = None,
    door: Door | None = None,
) -> AuditRecord:
    """Return what the games of a generator counted.

    Args:
        generator: with the hyperparameters that are audited.
        claim: budget of each fit.
        runs: fits per world and pair.
        rng: public randomness of generators and coins.
        pairs: the worlds; `due_pairs()` if None.
        door: opens tables; the front door if None.

    Raises:
        DpsynthError: a fit failed; on tables of these sizes none may.
    """
    games = []
    for pair in due_pairs() if pairs is None else pairs:
        played = Game(generator, pair, claim, rows=_due_rows(generator.name), door=door).play(runs, rng=rng)
        squares = float((played.residuals**2).sum())
        games.append(
            GameCounts(
                pair=pair.name,
                runs=runs,
                white_box=PairedRuns.of(*played.likelihoods, rng=rng),
                black_box=PairedRuns.of(*played.black_box(), rng=rng),
                noise=NoiseCounts(int(played.residuals.size), round(squares, 6)),
                largest_charge=str(played.largest_charge),
            )
        )
    return AuditRecord(
        generator=generator.name,
        epsilon=str(claim.epsilon),
        delta=str(claim.delta),
        games=tuple(games),
        software=software_versions(),
        source_sha256=source_sha256(type(generator).__module__),
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
    )
