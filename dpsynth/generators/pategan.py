"""PATE-GAN: a student learns from noisy votes of teachers on generated samples, and the generator from the student."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator.vote_queries import MOST_TEACHERS, NoisyVotes, Teaching, VoteQueries, VoteSession
from dpsynth.errors import InvalidInput
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.generators.noisy_tables import NoisyTables, measure_columns, measure_pairs, require_taken
from dpsynth.models import Measurement
from dpsynth.models.factor import Floats
from dpsynth.models.mixture_fit import ColumnCounts, fit_mixture
from dpsynth.models.mixture_of_products import MixtureOfProducts, column_rows
from dpsynth.models.pair_student import Labels, PairStudent, likeness_of, taught
from dpsynth.schema.domain import Clique

_COMPARED = 4000
"""Generated records that samples are compared with."""

_UNIT = 32
"""Whole numbers per unit of likeness: what teachers go by is in steps of 1/32."""

_COARSE = 1e-9
"""Noise that makes columns as coarse as they get: labels alone cannot tell fine pairs apart."""

_SMALLEST_SHARE = 1e-4
_SUREST = 0.98
"""A larger share of votes says that nearly all teachers agree, and hardly how much."""

_NO_BETTER = 0.2
"""The generator takes no column to be known better than this part of the noise in a pair."""

_MODEL_ERROR = 0.1
"""What votes are not exactly as the formula of their chance has it, in margins of a teacher who is undecided."""


@dataclass(frozen=True, slots=True)
class PateGan:
    """A generator that is shown by a student what teachers, each with a few of the rows, take for real.

    Attributes:
        column_share: part of the budget that measures the single columns.
        pair_share: part of the budget that measures all pairs before, the warm start; 0 for none.
        teacher_rows: about how many rows a teacher has.
        samples: generated records that are labelled in all.
        rounds: how often samples are drawn anew from the generator as it is by then.
        components: number of products that the generator mixes.
        iterations: steps of the generator each time that it is trained.
        noise_in_a_pair: as in `Mixture`.
        information_price: as in `Mixture`.

    Source: Jordon, Yoon and van der Schaar 2019 (PATE-GAN); Papernot et al. 2018 (votes with Gaussian noise).
    """

    column_share: float = 0.25
    pair_share: float = 0.65
    teacher_rows: float = 10.0
    samples: int = 2000
    rounds: int = 2
    components: int = 512
    iterations: int = 400
    noise_in_a_pair: float = 0.15
    information_price: float = 1.0

    def __post_init__(self) -> None:
        """Refuse parameters that cannot work.

        Raises:
            InvalidInput: naming the parameter and what it may be.
        """
        if min(self.components, self.iterations, self.rounds) < 1 or not self.rounds <= self.samples <= 10_000:
            raise InvalidInput(
                "components, iterations and rounds must be at least 1, and samples from rounds to 10,000"
            )
        if not (self.column_share > 0 and self.pair_share >= 0 and self.column_share + self.pair_share < 1):
            raise InvalidInput("column_share must be above 0, pair_share not below, and both together below 1")
        if not (self.teacher_rows >= 1 and self.noise_in_a_pair > 0 and self.information_price >= 0):
            raise InvalidInput(
                "teacher_rows must be at least 1, noise_in_a_pair positive, information_price not negative"
            )

    @property
    def name(self) -> str:
        """The name in the registry."""
        return "pategan"

    def fit(self, curator: VoteQueries, budget: PrivacyBudget, *, rng: np.random.Generator) -> FittedGraphicalModel:
        """Return the fitted generator; see `Synthesizer.fit`.

        Privacy: at most `budget`, reserved as a whole before the first row is read. What teachers say of real rows is
        never seen; student and generator see noisy counts of votes, columns and pairs.

        Raises:
            InvalidInput: there are too many columns, or rules tie too many of them together.
        """
        schema = curator.schema
        require_taken(schema)
        has_pairs = len(schema.columns) > 1
        with curator.within(budget, purpose="fit pategan") as session:
            whole = session.mu_squared
            share = Fraction(str(self.column_share)) * whole if has_pairs else whole
            tables = measure_columns(
                session,
                schema,
                share,
                left_for_pairs=max(whole - share, share),
                noise_in_a_pair=self.noise_in_a_pair if self.pair_share else _COARSE,
            )
            if has_pairs and self.pair_share:
                tables = measure_pairs(session, tables, Fraction(str(self.pair_share)) * whole)
            training = _Training(self, tables, rng)
            for rounds_left in range(self.rounds if has_pairs else 0, 0, -1):
                training.learn_from(session, session.remaining_mu_squared / rounds_left)
        provenance = {name: str(getattr(self, name)) for name in self.__slots__}
        return tables.fitted(training.model, {"generator": self.name, **provenance})


class _Training:
    """The generator and its student while they are trained; everything here is public."""

    def __init__(self, given: PateGan, tables: NoisyTables, rng: np.random.Generator) -> None:
        self._given = given
        self._tables = tables
        self._rng = rng
        self._shares = _column_shares(tables)
        self._pairs: list[Clique] = list(combinations(tables.domain.names, 2))
        self._labels: Labels | None = None
        units = tables.total / given.teacher_rows
        columns = tables.schema.columns
        likeness = [likeness_of(self._shares[column.name], ordered=column.is_ordered) for column in columns]
        self._teaching = Teaching(
            teachers=int(np.clip(round(units), 1, MOST_TEACHERS)),
            groups=tuple(tables.groups[column.name] for column in columns),
            likeness=tuple(np.rint(table * _UNIT).astype(np.int64) for table in likeness),
        )
        self.model = self._independent() if not tables.pairs else self._generator(None)
        self._expected = {pair: self.model.marginal(pair) for pair in self._pairs}

    def learn_from(self, session: VoteSession, mu_squared: Fraction) -> None:
        """Have fresh samples judged, teach the student, and train the generator on the student."""
        generated = self._tables.fitted(self.model, {}).sample(_COMPARED, rng=self._rng).codes
        samples = self._rng.permutation(generated)[: self._given.samples // self._given.rounds]
        votes = session.votes(self._teaching, samples, generated, mu_squared)
        labels = self._read(votes, samples, generated)
        self._labels = labels if self._labels is None else self._labels.followed_by(labels)
        student = taught(self._labels, self._tables.domain, self._shares, self._expected)
        if student.strength > 0:
            self.model = self._generator(student)

    def _read(self, votes: NoisyVotes, samples: NDArray[np.integer], generated: NDArray[np.integer]) -> Labels:
        """Return how much samples are like real records, as votes say.

        The score of a teacher is a sum over his rows. It is above 0 with the chance Phi(sqrt(rows) * excess / spread),
        where the excess is how much more alike real records are than generated ones, on average, and the spread is that
        of the kernel over records, which generated ones show nearly.
        """
        asked, others = self._teaching.grouped(samples), self._teaching.grouped(generated)
        alike = self._teaching.alike(asked, others) / _UNIT**2
        usual, spread = alike.mean(axis=1), alike.std(axis=1)
        share = np.clip(votes.counts / votes.teachers, 1 - _SUREST, _SUREST)
        margin = special.ndtri(share)
        per_margin = spread / math.sqrt(max(1.0, self._tables.total / votes.teachers))
        uncertain = np.sqrt((votes.stddev / votes.teachers) ** 2 + share * (1 - share) / votes.teachers)
        slope = stats.norm.pdf(np.clip(margin, -1.0, 1.0))
        stddevs = np.hypot(uncertain / slope, _MODEL_ERROR * (1 + np.abs(margin))) * per_margin
        return Labels(
            tuple(table[codes] / _UNIT for table, codes in zip(self._teaching.likeness, asked, strict=True)),
            usual + margin * per_margin,
            np.maximum(stddevs, 1e-6),
        )

    def _generator(self, student: PairStudent | None) -> MixtureOfProducts:
        """Return the generator whose pairs are close to the noisy ones and to what the student takes for real.

        The squared distance to the student's pairs is that of mean embeddings: it is the squared norm of the student's
        opinion of what is generated, and zero when the student cannot tell it from what it was taught.
        """
        tables = self._tables
        columns, measured, noise = tables.columns, tables.measured_pairs, tables.noise
        if student is not None:
            total, least = tables.total, min((answer.stddev for answer in measured), default=1.0)
            doubts = {pair: self._doubt(pair, student.doubt) * total for pair in self._pairs}
            measured = measured + [
                Measurement(pair, student.pairs[pair] * total, max(doubts[pair], least)) for pair in self._pairs
            ]
            if not tables.pairs:
                noise = math.sqrt(2 / math.pi) * float(np.mean(list(doubts.values())))
                # Columns that are known far better than pairs would hold up the descent.
                columns = ColumnCounts(columns.counts, np.maximum(columns.stddevs, _NO_BETTER * noise))
        return fit_mixture(
            tables.domain,
            columns,
            measured,
            total=tables.total,
            rng=self._rng,
            components=tables.most_components(self._given.components),
            iterations=self._given.iterations,
            information_price=self._given.information_price
            * (len(tables.domain) - 1)
            * math.sqrt(tables.total / noise),
            impossible=tables.impossible,
        )

    def _doubt(self, pair: Clique, doubt: float) -> float:
        """Return the root mean square, over cells, of what the student may still be wrong by, as a share."""
        return doubt / math.sqrt(math.prod(self._tables.domain.shape(pair)))

    def _independent(self) -> MixtureOfProducts:
        shares = np.concatenate([self._shares[name] for name in self._tables.domain.names])
        return MixtureOfProducts(self._tables.domain, np.ones(1), shares[:, None])


def _column_shares(tables: NoisyTables) -> dict[str, Floats]:
    """Return the share of each group, by column, none of them quite zero."""
    counts = np.maximum(tables.columns.counts, 0.0)
    shares = {}
    for name, rows in column_rows(tables.domain).items():
        here = counts[rows] / max(1.0, float(counts[rows].sum())) + _SMALLEST_SHARE
        shares[name] = here / here.sum()
    return shares
