"""A7: was this person trained on? Asked of whoever can run the whole pipeline again, on rows of his own.

For each target the pipeline is run many times on public rows with the target among them, and as often without. What
tells the releases apart is learnt on some of these runs and counted on others. Runs are independent, so the counts
bound what the pipeline leaks about that target, also as an epsilon: rates over the people of one release never do.

It is the strongest attack on a released table, and no part of the fast suite: it takes thousands of fits and no row of
the protected table.

Sources: T. Stadler et al., USENIX Security 2022 (arXiv 2011.07018), section 4; M. Meeus et al., Achilles' Heels,
ESORICS 2023 (arXiv 2306.10308); M. Jagielski et al., NeurIPS 2020 (arXiv 2006.07709), on bounds from repeated runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import scipy
from numpy.typing import NDArray

from dpsynth.attacks.bounds import Interval, clopper_pearson, difference_of_proportions
from dpsynth.attacks.ranking import auc_evidence
from dpsynth.attacks.records import CodedSchema, Records
from dpsynth.attacks.repeated_runs import PairedRuns, epsilon_lower, mu_of_order
from dpsynth.attacks.shadow_features import Features, ShadowFeatures, overview
from dpsynth.attacks.shadow_statistic import Moments, ShadowStatistic, learn_statistic, telling_features
from dpsynth.attacks.shadow_targets import Codes, ShadowTarget
from dpsynth.attacks.significance import holm_adjusted
from dpsynth.errors import InvalidInput
from dpsynth.progress import phase, unreported

FitAndSample = Callable[[Codes, np.random.Generator], Codes]
"""The pipeline: from training rows and public randomness to released rows, both as codes of the same schema."""


@dataclass(frozen=True, slots=True)
class Repetitions:
    """How often the pipeline runs in each world.

    Attributes:
        training: runs that the statistic is learnt on.
        validation: runs that choose among statistics, and a threshold.
        test: runs that are counted.
    """

    training: int
    validation: int
    test: int

    def __post_init__(self) -> None:
        """Refuse what nothing can be learnt from.

        Raises:
            InvalidInput: fewer than two runs of a kind.
        """
        if min(self.training, self.validation, self.test) < 2:
            raise InvalidInput("a shadow model attack needs at least two runs to learn, to choose and to count")

    @property
    def total(self) -> int:
        """All runs of one world."""
        return self.training + self.validation + self.test


REPORT = Repetitions(training=500, validation=250, test=250)
SMOKE = Repetitions(training=16, validation=8, test=40)


@dataclass(frozen=True, slots=True, eq=False)
class ShadowFinding:
    """What was counted about one target.

    Attributes:
        target: the row, and why it was chosen.
        method: of the statistic.
        without: statistics of the test runs without the target, shape (test,).
        with_target: those of the runs with it; the run at the same place has the same other rows.
        threshold: fixed before; above it the target is taken to have been trained on.
        pairs: the runs in pairs.
    """

    target: ShadowTarget
    method: str
    without: NDArray[np.float64]
    with_target: NDArray[np.float64]
    threshold: float
    pairs: PairedRuns


@dataclass(frozen=True, slots=True)
class ShadowResult:
    """What the counts prove. The bounds of all targets hold together with the confidence of the report.

    Attributes:
        kind: why the target was chosen.
        method: of the statistic.
        auc: of the test runs; 0.5 if nothing leaks, lower is safer.
        advantage: true- minus false-positive rate at the threshold; 0 if nothing leaks, lower is safer.
        p_value: exact, of so many pairs in the right order under the claim.
        adjusted_p_value: the same after Holm's correction over all targets.
        significance: of all targets together.
        mu_lower: what the Gaussian-DP parameter of the pipeline exceeds.
        epsilon_lower: what its epsilon exceeds, at the delta that was asked for.
    """

    kind: str
    method: str
    auc: Interval
    advantage: Interval
    p_value: float
    adjusted_p_value: float
    significance: float
    mu_lower: float
    epsilon_lower: float

    @property
    def is_caught(self) -> bool:
        """Whether the runs with this target differ from those without it by more than the claim allows."""
        return self.adjusted_p_value <= self.significance

    @property
    def sentence(self) -> str:
        """The result in words."""
        says = "CAUGHT" if self.is_caught else "not caught"
        return (
            f"Target '{self.kind}', {self.method}: a release with it scores above one without it with probability "
            f"{self.auc.estimate:.3f}, between {self.auc.lower:.3f} and {self.auc.upper:.3f} (0.5 if nothing leaks, "
            f"lower is safer); mu is above {self.mu_lower:.3g}, epsilon above {self.epsilon_lower:.3g}; adjusted "
            f"p-value {self.adjusted_p_value:.2g}: {says}."
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Release:
    codes: Codes
    overview: Features


@dataclass(frozen=True, slots=True, eq=False)
class TargetedShadow:
    """The attack on one pipeline.

    Attributes:
        fit_and_sample: runs the pipeline; called from one thread. How many rows it returns must not depend on how many
            it is given: the number of rows is not looked at.
        schema: the public columns, the same in both worlds.
        auxiliary: public rows of the population, or of one like it, as codes.
        rows: training rows of a run, besides the target.
        repetitions: runs in each world.
        queries: sets of columns that are asked about, at most.
    """

    fit_and_sample: FitAndSample
    schema: CodedSchema
    auxiliary: Codes
    rows: int
    repetitions: Repetitions = REPORT
    queries: int = 100_000

    def findings(self, targets: Sequence[ShadowTarget], *, rng: np.random.Generator) -> Iterator[ShadowFinding]:
        """Yield what was counted about each target as soon as it is known; whoever stops early keeps what he has.

        Runs without a target are shared by all targets, so they come first: with t targets there are
        (t + 1) * repetitions.total runs. Each run without draws its rows anew; each run with takes the same rows and
        the target, in random order. The rows hold none of the targets that are auxiliary rows.

        Args:
            targets: whom to look for.
            rng: all randomness, except what `fit_and_sample` takes from elsewhere.

        Raises:
            InvalidInput: there are not enough auxiliary rows.
            DpsynthError: whatever the pipeline raises.
        """
        taken = [target.place for target in targets if target.place is not None]
        pool = np.setdiff1d(np.arange(len(self.auxiliary)), taken)
        if not 0 < self.rows <= pool.size:
            raise InvalidInput("there are fewer auxiliary rows than one run needs")
        runs = self.repetitions.total
        drawn = [self.auxiliary[rng.choice(pool, size=self.rows, replace=False)] for _ in range(runs)]
        with phase("runs without a target", runs) as advance:
            without = [self._run(rows, rng, advance) for rows in drawn]
        reference = Records.from_codes(self.auxiliary[pool], self.schema)
        for number, target in enumerate(targets, start=1):
            with phase(f"runs with target {number} of {len(targets)}", runs) as advance:
                joined = (np.concatenate([rows, target.row[None]]) for rows in drawn)
                with_target = [self._run(rows, rng, advance) for rows in joined]
            yield self._finding(target, reference, without, with_target, rng)

    def _run(self, rows: Codes, rng: np.random.Generator, advance: Callable[[int], None]) -> _Release:
        with unreported():
            codes = np.asarray(self.fit_and_sample(rng.permutation(rows), rng))
        released = Records.from_codes(codes, self.schema)
        advance(1)
        # Thousands of releases are kept: most columns have few codes.
        compact = codes.astype(np.min_scalar_type(int(codes.max(initial=0))))
        return _Release(compact, overview(released, self.schema))

    def _finding(
        self,
        target: ShadowTarget,
        reference: Records,
        without: Sequence[_Release],
        with_target: Sequence[_Release],
        rng: np.random.Generator,
    ) -> ShadowFinding:
        looked_for = Records.from_codes(target.row[None], self.schema)
        look = ShadowFeatures.around(looked_for, reference, queries=self.queries, rng=rng)
        plan = self.repetitions
        moments = Moments(), Moments()
        for world, releases in zip(moments, (without, with_target), strict=True):
            for release in releases[: plan.training]:
                world.add(self._features(look, release))
        kept = telling_features(*moments)
        worlds = [
            np.stack([self._features(look, release)[kept] for release in releases])
            for releases in (without, with_target)
        ]
        chosen, counted = plan.training, plan.training + plan.validation
        statistic: ShadowStatistic = learn_statistic(
            (worlds[0][:chosen], worlds[1][:chosen]),
            (worlds[0][chosen:counted], worlds[1][chosen:counted]),
            rng=rng,
        )
        scores = [statistic.score(world[counted:]) for world in worlds]
        pairs = PairedRuns.of(*scores, rng=rng)
        return ShadowFinding(target, statistic.method, scores[0], scores[1], statistic.threshold, pairs)

    def _features(self, look: ShadowFeatures, release: _Release) -> Features:
        return np.concatenate([look.of(Records.from_codes(release.codes, self.schema)), release.overview])


def weighed(
    findings: Sequence[ShadowFinding],
    *,
    planned: int,
    delta: Decimal,
    claimed_mu: float = 0.0,
    confidence: float = 0.95,
) -> tuple[ShadowResult, ...]:
    """Return what the findings prove, corrected for all the targets that were planned.

    Args:
        findings: of some or all targets.
        planned: how many targets there were to be, whether or not all were reached.
        delta: at which epsilon is bounded.
        claimed_mu: the Gaussian-DP parameter that the pipeline claims; 0 asks whether anything at all can be seen.
        confidence: with which all bounds hold together; one minus it is the significance of all targets together.

    Raises:
        InvalidInput: more findings than planned targets.

    Privacy: if the targets are rows of the protected table, results are confidential.
    """
    if len(findings) > planned:
        raise InvalidInput("there are more findings than targets were planned")
    each = 1 - (1 - confidence) / max(planned, 1)
    p_values = [_p_value(finding.pairs, claimed_mu) for finding in findings]
    # What was not reached is tested too, and found nothing.
    adjusted = holm_adjusted([*p_values, *[1.0] * (planned - len(findings))])
    return tuple(
        ShadowResult(
            kind=finding.target.kind,
            method=finding.method,
            auc=auc_evidence(finding.with_target, finding.without, confidence=each).interval,
            advantage=_advantage(finding, each),
            p_value=p_value,
            adjusted_p_value=corrected,
            significance=1 - confidence,
            mu_lower=mu_of_order(clopper_pearson(finding.pairs.right, finding.pairs.pairs, confidence=each).lower),
            epsilon_lower=epsilon_lower(
                finding.without, finding.with_target, delta=delta, threshold=finding.threshold, confidence=each
            ),
        )
        for finding, p_value, corrected in zip(findings, p_values, adjusted, strict=False)
    )


def _p_value(pairs: PairedRuns, mu: float) -> float:
    """Return the probability of so many pairs in the right order, or more, under mu-GDP."""
    allowed = float(scipy.special.ndtr(mu / np.sqrt(2)))
    return float(scipy.special.bdtrc(pairs.right - 1, pairs.pairs, allowed)) if pairs.right else 1.0


def _advantage(finding: ShadowFinding, confidence: float) -> Interval:
    rates = [
        clopper_pearson(int((scores > finding.threshold).sum()), scores.size, confidence=confidence)
        for scores in (finding.with_target, finding.without)
    ]
    return difference_of_proportions(rates[0], rates[1])
