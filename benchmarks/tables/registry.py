"""The tables by name, each with the privacy it is run at and the figures that are shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.tables import adult, excerpt, generated, small
from benchmarks.tables.base import BenchmarkTable


@dataclass(frozen=True, slots=True)
class TableEntry:
    """One table of the benchmark.

    Attributes:
        name: what the command line calls it.
        load: reads or generates it, only then.
        title: what the page calls it.
        delta: the delta of every run.
        epsilons: the epsilons that are run unless others are asked for.
        figures: names of the figures (and costs) that the page shows besides the usual costs, in its order.
        systems: the systems that are run unless others are asked for; empty means all of them.
        without: systems that are run only when asked for.
        seeds: runs of each own system.
    """

    name: str
    load: Callable[[], BenchmarkTable]
    title: str
    delta: str
    epsilons: tuple[str, ...]
    figures: tuple[str, ...]
    systems: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    seeds: int = 5


_DISTANCES = ("tvd1", "tvd2", "tvd3")
_SMALL_ONLY = ("all_marginals",)
_GROUPED_ONLY = ("exact-within-groups",)
_NOT_ON_NIST = ("dpmm-privbayes", "smartnoise-mwem", "smartnoise-mwem-split3", *_SMALL_ONLY)
_SMALL = ("all_marginals", "mixture", "aim", "mst", "independent", "auto", "resampled")

TABLES = {
    entry.name: entry
    for entry in (
        TableEntry(
            "adult-coded",
            adult.adult_coded,
            "Coded Adult, 14 columns, 39,073 training rows",
            "1e-9",
            ("1", "0.1", "10"),
            (*_DISTANCES, "auc"),
            without=(*_SMALL_ONLY, *_GROUPED_ONLY),
        ),
        TableEntry(
            "adult-deep",
            partial(adult.adult_coded, "adult-deep"),
            "Coded Adult at the delta that is usual for deep generators",
            "1e-5",
            ("1", "10"),
            (*_DISTANCES, "auc"),
            systems=(
                "independent",
                "mixture",
                "dpctgan",
                "dpctgan-alone",
                "dpctgan-marginals",
                "dptvae",
                "dptvae-alone",
                "pategan",
                "pategan-alone",
                "resampled",
            ),
            seeds=3,
        ),
        TableEntry(
            "adult-raw",
            adult.adult_raw,
            "Raw Adult, 15 columns by the example schema, 32,561 training rows",
            "1e-9",
            ("1",),
            (*_DISTANCES, "auc"),
            without=(*_SMALL_ONLY, *_GROUPED_ONLY),
        ),
        TableEntry(
            "nist-10",
            excerpt.demographic,
            "NIST excerpt, ten demographic features, 27,253 rows",
            "1e-6",
            ("1",),
            ("k_marginal", "violations", *_DISTANCES),
            without=(*_NOT_ON_NIST, *_GROUPED_ONLY),
        ),
        TableEntry(
            "nist-24",
            excerpt.every_feature,
            "NIST excerpt, all features, k-marginal grouped by PUMA, 27,253 rows",
            "1e-6",
            ("1",),
            ("k_marginal", "violations", *_DISTANCES),
            without=_NOT_ON_NIST,
        ),
        TableEntry(
            "nist-23",
            excerpt.without_industries,
            "NIST excerpt, all features but the 271 industries, k-marginal grouped by PUMA, 27,253 rows",
            "1e-6",
            ("1",),
            ("k_marginal", "violations", *_DISTANCES),
            without=_NOT_ON_NIST,
        ),
        TableEntry(
            "wide",
            generated.wide,
            "Generated: 100 columns of 10 levels, 100,000 rows",
            "1e-9",
            ("1",),
            _DISTANCES,
            systems=("mst", "auto", "independent", "resampled"),
            seeds=1,
        ),
        TableEntry(
            "many-levels",
            generated.many_levels,
            "Generated: a column of 10,000 levels and nine of 10, 100,000 rows",
            "1e-9",
            ("1",),
            _DISTANCES,
            systems=("mst", "aim", "auto", "independent", "resampled"),
            seeds=1,
        ),
        TableEntry(
            "long",
            generated.long,
            "Generated: 50 columns of 10 levels, a million rows sampled",
            "1e-9",
            ("1",),
            (*_DISTANCES, "sample_seconds"),
            systems=("mst", "independent", "resampled"),
            seeds=1,
        ),
        TableEntry(
            "adult-binary",
            small.adult_binary,
            "Raw Adult as ten yes-or-no questions, 32,561 rows",
            "1e-9",
            ("0.1", "1", "10"),
            _DISTANCES,
            systems=_SMALL,
        ),
        TableEntry(
            "excerpt-coarse",
            small.excerpt_coarse,
            "NIST excerpt, eight coarse demographic features, 27,253 rows",
            "1e-9",
            ("0.1", "1", "10"),
            _DISTANCES,
            systems=_SMALL,
        ),
        TableEntry("tiny", generated.tiny, "Generated: 5 columns, 1,000 rows", "1e-9", ("1",), _DISTANCES, seeds=1),
    )
}
"""Every table; `tiny` is for trying the harness and is run only when asked for."""
