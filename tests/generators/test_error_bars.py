"""Error bars follow from post-noise facts, know what was measured, and are near the truth on planted tables."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.generators import rehearsal
from dpsynth.generators.aim import AIM
from dpsynth.generators.error_bars import LEVEL, MOST_BARS, ErrorBars, error_bars
from dpsynth.generators.fitted_model import FittedGraphicalModel, load_fitted_model
from dpsynth.generators.independent import Independent
from dpsynth.generators.mixture import Mixture
from dpsynth.generators.mst import MST
from dpsynth.generators.rehearsal import rehearse
from dpsynth.schema.codec import encode_cells
from dpsynth.schema.domain import Clique
from tests.generators.planted import NAMES, SCHEMA, fitted, open_curator, planted_table

ROWS = 3000


def true_distance(made: Any, columns: Clique) -> float:
    """Return the distance of a synthetic table from the planted one."""
    table = planted_table()
    real = encode_cells(SCHEMA, {name: table[name].to_numpy() for name in NAMES})
    places = [SCHEMA.domain.position(name) for name in columns]
    shape = SCHEMA.domain.shape(columns)
    cells = [np.ravel_multi_index(tuple(codes[:, place] for place in places), shape) for codes in (real, made.codes)]
    shares = [np.bincount(found, minlength=np.prod(shape)) / len(found) for found in cells]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def bars_of(generator: Any, seed: int = 1) -> tuple[FittedGraphicalModel, Any, ErrorBars]:
    model = fitted(generator, open_curator(seed))
    table = model.sample(ROWS, rng=np.random.default_rng(seed))
    return model, table, model.error_bars(table, rng=np.random.default_rng(seed))


def test_every_column_and_pair_has_one_bar() -> None:
    _, _, bars = bars_of(MST())
    expected = [*((name,) for name in NAMES), *combinations(NAMES, 2)]
    assert [bar.columns for bar in bars.bars] == expected
    assert bars.omitted == 0
    assert bars.level == LEVEL
    assert all(0 <= bar.lower <= bar.expected <= bar.upper <= 1 for bar in bars.bars)


@pytest.mark.parametrize("maker", [Mixture(), MST()], ids=lambda maker: maker.name)
def test_where_a_second_fit_would_be_too_large_bars_are_longer_and_never_missing(
    maker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mixture of many columns has no tree; its release once ended here, after the charge."""
    model, table, smoothed = bars_of(maker)
    monkeypatch.setattr(rehearsal, "_LARGEST_TREE", 0)
    monkeypatch.setattr(type(model.model), "size", property(lambda _: 0))
    noisy = model.error_bars(table, rng=np.random.default_rng(1))
    assert [bar.columns for bar in noisy.bars] == [bar.columns for bar in smoothed.bars]
    assert all(0 <= bar.lower <= bar.expected <= bar.upper <= 1 for bar in noisy.bars)
    measured = [
        (one.expected, other.expected)
        for one, other in zip(noisy.bars, smoothed.bars, strict=True)
        if one.basis != "model"
    ]
    assert np.mean([one for one, _ in measured]) >= np.mean([other for _, other in measured])
    assert [(bar.lower, bar.upper) for bar in noisy.bars] == [(bar.lower, bar.upper) for bar in smoothed.bars]


def test_the_basis_says_what_was_measured() -> None:
    model, _, bars = bars_of(MST())
    measured = {answer.clique for answer in model.measurements}
    for bar in bars.bars:
        assert (bar.basis == "measured") == (bar.columns in measured)
        if bar.basis == "model":
            assert (bar.lower, bar.upper) == (0.0, 1.0)
    assert {bar.basis for bar in bars.bars} == {"measured", "model"}


@pytest.mark.parametrize("generator", [Independent(), MST(), AIM()])
def test_they_are_near_the_truth(generator: Any) -> None:
    ratios, missed = [], 0
    for seed in range(3):
        _, table, bars = bars_of(generator, seed)
        for bar in bars.bars:
            truth = true_distance(table, bar.columns)
            missed += not bar.lower <= truth <= bar.upper
            if bar.basis != "model":
                ratios.append(bar.expected / truth)
    assert missed == 0
    assert 0.7 < np.median(ratios) < 1.4


def test_a_model_that_misses_a_dependence_says_so() -> None:
    """Two columns that go together are measured once, precisely, and modelled as if they did not."""
    model = fitted(MST(), open_curator())
    answers = model.measurements
    linked = next(answer for answer in answers if answer.clique == ("first", "second"))
    alone = fitted(Independent(), open_curator())
    table = alone.sample(ROWS, rng=np.random.default_rng(0))
    rehearsal = rehearse(SCHEMA, alone.model, (*alone.measurements, linked), rng=np.random.default_rng(0))
    blind = {bar.columns: bar for bar in alone.error_bars(table).bars}["first", "second"]
    # The second model sees the pair; the table does not. Only the answer itself can tell how wrong the table is.
    (seen,) = (bar for bar in error_bars(table, rehearsal).bars if bar.columns == ("first", "second"))
    truth = true_distance(table, ("first", "second"))
    assert truth > 0.3
    assert blind.basis == "model"
    assert blind.expected < 0.1
    assert seen.lower > 0.2
    assert seen.lower <= truth <= seen.upper
    assert seen.expected > 0.2


def test_the_intervals_do_not_depend_on_the_rehearsal() -> None:
    model, table, bars = bars_of(MST())
    again = model.error_bars(table, rng=np.random.default_rng(99))
    assert [(bar.lower, bar.upper) for bar in again.bars] == [(bar.lower, bar.upper) for bar in bars.bars]
    assert [bar.expected for bar in again.bars] != [bar.expected for bar in bars.bars]
    assert model.error_bars(table, rng=np.random.default_rng(1)) == bars


def test_a_saved_model_gives_the_same(tmp_path: Any) -> None:
    model, table, _ = bars_of(AIM())
    model.save(tmp_path / "model")
    again = load_fitted_model(tmp_path / "model").error_bars(table, rng=np.random.default_rng(1))
    for bar, other in zip(model.error_bars(table, rng=np.random.default_rng(1)).bars, again.bars, strict=True):
        assert (bar.columns, bar.groups, bar.basis) == (other.columns, other.groups, other.basis)
        assert (bar.lower, bar.upper) == pytest.approx((other.lower, other.upper))


def test_a_table_without_rows_has_none() -> None:
    model = fitted(Independent(), open_curator())
    assert model.error_bars(model.sample(0, rng=np.random.default_rng(0))) == ErrorBars(LEVEL, ())


def test_notebooks_get_a_frame() -> None:
    _, _, bars = bars_of(MST())
    frame = bars.to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == ["columns", "groups", "basis", "expected", "lower", "upper"]
    assert len(frame) == len(bars.bars) < MOST_BARS
