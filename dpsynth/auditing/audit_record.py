"""What an audit of a generator counted, and what follows from the counts: nothing is kept that cannot be recomputed."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import rfc8785
import scipy.special

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import JsonValue
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.attacks.repeated_runs import PairedRuns
from dpsynth.errors import InvalidInput

CAMPAIGN_SIGNIFICANCE = 1e-3
"""Chance that an honest generator fails anywhere in one campaign."""

_POWER = 0.9


@dataclass(frozen=True, slots=True)
class NoiseCounts:
    """All noise that was seen in one game, against what was declared.

    Attributes:
        cells: how many answered cells there were.
        sum_of_squares: of their noise over its declared standard deviation; about as large as `cells`.
    """

    cells: int
    sum_of_squares: float

    @property
    def ratio(self) -> float:
        """Estimate of the true standard deviation over the declared one."""
        return math.sqrt(self.sum_of_squares / self.cells) if self.cells else 1.0

    def too_small(self, significance: float) -> bool:
        """Return whether noise of the declared size is this small, or smaller, with at most that probability."""
        return bool(self.cells and scipy.special.chdtr(self.cells, self.sum_of_squares) <= significance)

    def too_large(self, significance: float) -> bool:
        """Return whether noise of the declared size is this large, or larger, with at most that probability."""
        return bool(self.cells and scipy.special.chdtrc(self.cells, self.sum_of_squares) <= significance)


@dataclass(frozen=True, slots=True)
class GameCounts:
    """What one game counted.

    Attributes:
        pair: the two worlds, in words.
        runs: fits per world.
        white_box: order of the likelihood ratios.
        black_box: order of the statistics of the released tables, on runs that were not trained on.
        noise: the noise of all answers.
        largest_charge: largest squared mu that a run was charged, as a fraction.
    """

    pair: str
    runs: int
    white_box: PairedRuns
    black_box: PairedRuns
    noise: NoiseCounts
    largest_charge: str

    def with_more(self, more: GameCounts) -> GameCounts:
        """Return the counts of both together; the worlds are the same."""
        return GameCounts(
            self.pair,
            self.runs + more.runs,
            _together(self.white_box, more.white_box),
            _together(self.black_box, more.black_box),
            NoiseCounts(self.noise.cells + more.noise.cells, self.noise.sum_of_squares + more.noise.sum_of_squares),
            str(max(Fraction(self.largest_charge), Fraction(more.largest_charge))),
        )


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One audit of one generator.

    Attributes:
        generator: name in the registry.
        epsilon: of the claim.
        delta: of the claim.
        games: what was played.
        software: versions of what ran.
        source_sha256: digest of all modules of the package that a fit of this generator can run.
        date: when, UTC.
    """

    generator: str
    epsilon: str
    delta: str
    games: tuple[GameCounts, ...]
    software: dict[str, str]
    source_sha256: str
    date: str

    @property
    def claimed_mu(self) -> float:
        """The Gaussian-DP parameter that the claim buys."""
        return math.sqrt(self._claimed)

    @property
    def _claimed(self) -> Fraction:
        return mu_squared_from_budget(PrivacyBudget(Decimal(self.epsilon), Decimal(self.delta)))

    def problems_among(self, generators: int) -> tuple[str, ...]:
        """Return what the audit found where it is one of so many that share the false alarms of one campaign.

        Args:
            generators: how many generators the campaign plays; each game of each of them is judged by four tests.
        """
        each = self._significance(generators)
        return tuple(sentence for game in self.games for sentence in self._problems_of(game, each))

    @property
    def problems(self) -> tuple[str, ...]:
        """What the audit found, in sentences; none for an honest implementation, but for the stated chance.

        This is the verdict of an audit of one generator alone; see `problems_among`.
        """
        return self.problems_among(1)

    @property
    def passed(self) -> bool:
        """Whether nothing was found; how much could have been found is `refutable_mu`."""
        return not self.problems

    @property
    def refutable_mu(self) -> float:
        """The smallest true mu that the longest game refutes with probability 90 %, by a perfect statistic."""
        return self.refutable_mu_among(1)

    def refutable_mu_among(self, generators: int) -> float:
        """Return the same for the verdict of a campaign that plays so many generators."""
        pairs, each = max((game.white_box.pairs for game in self.games), default=0), self._significance(generators)
        needed = next((n for n in range(pairs // 2, pairs + 1) if self._refuted(PairedRuns(pairs, n), each)), None)
        if not pairs or needed is None:
            return math.inf
        share = float(scipy.special.bdtri(needed - 1, pairs, 1 - _POWER)) if needed > 0 else 0.0
        return math.sqrt(2) * float(scipy.special.ndtri(share))

    def _significance(self, generators: int) -> float:
        """Return that of each single test, so that all together keep `CAMPAIGN_SIGNIFICANCE`."""
        return CAMPAIGN_SIGNIFICANCE / (4 * max(len(self.games), 1) * generators)

    def _refuted(self, order: PairedRuns, significance: float) -> bool:
        return order.refutes(self.claimed_mu, significance=significance)

    def _problems_of(self, game: GameCounts, significance: float) -> list[str]:
        found = []
        for box, order in (("white-box", game.white_box), ("black-box", game.black_box)):
            if self._refuted(order, significance):
                lower = order.mu_lower(confidence=1 - significance)
                found.append(
                    f"{game.pair}: the {box} game refutes the claim. {order.right} of {order.pairs} pairs are in the "
                    f"right order, so mu is above {lower:.3f}; claimed is {self.claimed_mu:.3f}"
                )
        if game.noise.too_small(significance):
            found.append(f"{game.pair}: the noise is {game.noise.ratio:.3f} times what is declared")
        if game.noise.too_large(significance):
            found.append(f"{game.pair}: the noise is {game.noise.ratio:.3f} times what is declared, so it is wasted")
        if Fraction(game.largest_charge) > self._claimed:
            found.append(f"{game.pair}: a run was charged more than its budget")
        return found

    @property
    def audit_id(self) -> str:
        """A name that no other result has: generator, claim, and the beginning of the digest of everything counted."""
        digest = hashlib.sha256(rfc8785.dumps(self.counts())).hexdigest()
        return f"game-{self.generator}-epsilon-{self.epsilon}-{digest[:12]}"

    def with_more(self, more: AuditRecord) -> AuditRecord:
        """Return what both audits counted together, with date and software of the later one.

        Raises:
            InvalidInput: they are of different generators, claims, worlds or sources.
        """
        if self._subject != more._subject:
            raise InvalidInput("only counts of the same generator, claim, worlds and source can be added up")
        both = zip(self.games, more.games, strict=True)
        return replace(more, games=tuple(game.with_more(other) for game, other in both))

    @property
    def _subject(self) -> tuple[str, ...]:
        return self.generator, self.epsilon, self.delta, self.source_sha256, *(game.pair for game in self.games)

    def counts(self) -> dict[str, JsonValue]:
        """Return what was counted, as JSON: everything else is computed from it again."""
        plain: dict[str, JsonValue] = _plain(asdict(self))
        return plain

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> AuditRecord:
        """Return the record that `counts` made.

        Raises:
            KeyError: a field is missing.
            TypeError: a field is unknown.
        """
        games = tuple(
            GameCounts(
                **{
                    **game,
                    "white_box": PairedRuns(**game["white_box"]),
                    "black_box": PairedRuns(**game["black_box"]),
                    "noise": NoiseCounts(**game["noise"]),
                }
            )
            for game in document["games"]
        )
        return cls(**{**document, "games": games})


def _together(order: PairedRuns, more: PairedRuns) -> PairedRuns:
    return PairedRuns(order.pairs + more.pairs, order.right + more.right)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
