"""Internal audits made by hand, with every kind of finding."""

from __future__ import annotations

import numpy as np

from dpsynth.attacks.bounds import Interval
from dpsynth.attacks.exposed_rows import ExposedRows
from dpsynth.attacks.findings import DistanceHistogram, RocCurve, StratumSize, SuiteFindings, Untested
from dpsynth.attacks.result import AttackResult, Statistic
from dpsynth.certification.audit import AuditReport, ColumnFinding

ISOLATED = "most isolated 10 %"


def result(
    attack: str = "nearest-neighbour",
    statistic: Statistic = Statistic.AUC,
    *,
    estimate: float = 0.9,
    lower: float = 0.8,
    upper: float = 0.95,
    adjusted: float = 0.001,
    variant: str = "",
    stratum: str = "everyone",
) -> AttackResult:
    return AttackResult(
        attack=attack,
        statistic=statistic,
        interval=Interval(estimate, lower, upper, 0.95),
        tolerance=0.55,
        p_value=adjusted / 10,
        adjusted_p_value=adjusted,
        significance=0.05,
        smallest_detectable=0.6,
        members=2_000,
        controls=200,
        variant=variant,
        stratum=stratum,
    )


def full_report(*, exposed: int = 700) -> AuditReport:
    rng = np.random.default_rng(1)
    members, controls = rng.normal(1, 1, 2_000), rng.normal(0, 1, 2_000)
    findings = SuiteFindings(
        results=(
            result(stratum=ISOLATED),
            result(estimate=0.51, lower=0.5, upper=0.53, adjusted=1.0),
            result("singling-out", Statistic.EXCESS_RISK, variant="age, <b>region</b>", adjusted=0.02),
            result("singling-out", Statistic.EXCESS_RISK, estimate=0.5, lower=0.4, upper=0.6, variant="age"),
        ),
        strata=(StratumSize("everyone", 2_000, 2_000, 1.0), StratumSize(ISOLATED, 200, 200, 2.0)),
        untested=(Untested("most isolated 1 %", Statistic.TPR_AT_FPR, 4, 20, 20),),
        exposed=ExposedRows("nearest-neighbour-ratio", 0.05, tuple(range(0, 2 * exposed, 2)), 2_000, 2_000),
        curves=(
            RocCurve.of("membership-classifier", "", rng.normal(size=2_000), controls),
            RocCurve.of("nearest-neighbour", "age, region", members, controls),
        ),
        distances=(
            DistanceHistogram.of("released", rng.random(2_000) ** 3, rng.random(2_000)),
            DistanceHistogram.of("reference", rng.random(2_000), rng.random(2_000)),
        ),
    )
    columns = (ColumnFinding("<b>age</b>", 0.25, 0.0001),)
    return AuditReport("release-1", "default", findings, columns, members=2_000, controls=2_000)
