"""Counts of queries against a plain loop, features by hand, and what both worlds must share."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from dpsynth.attacks import Records
from dpsynth.attacks.records import MISSING_LEVEL
from dpsynth.attacks.shadow_features import NEARNESS, ShadowFeatures, overview
from tests.attacks.populations import MIXED, PlainColumn, PlainSchema, mixed, mixed_rows

SCHEMA = PlainSchema([PlainColumn(22, is_ordered=True, missing_code=21), PlainColumn(3), PlainColumn(2)])
KINDS = np.array([True, False, False])


def table(*rows: tuple[float, ...]) -> Records:
    return Records(np.array(rows, dtype=np.float64).reshape(-1, 3), KINDS)


def look(target: Records, auxiliary: Records, queries: int = 100_000) -> ShadowFeatures:
    return ShadowFeatures.around(target, auxiliary, queries=queries, rng=np.random.default_rng(0))


def test_every_set_of_columns_is_counted() -> None:
    target, auxiliary = table((0.9, 1, 0)), table((0.1, 0, 0), (0.2, 1, 1))
    release = table((0.92, 1, 0), (0.8, 1, 1), (1.0, 0, 0), (MISSING_LEVEL, 1, 0))
    features = look(target, auxiliary).of(release)
    assert features.size == 1 + 3 + 2 * 8
    near = np.array([[1, 1, 1], [0, 1, 0], [0, 0, 1], [0, 1, 1]], dtype=bool)
    beyond = np.array([[1, 1, 1], [0, 1, 0], [1, 0, 1], [0, 1, 1]], dtype=bool)
    # The first column is the lowest bit.
    sets = [np.array(bits[::-1], dtype=bool) for bits in product((0, 1), repeat=3)]
    expected = [[cells[:, chosen].all(axis=1).mean() for chosen in sets] for cells in (near, beyond)]
    np.testing.assert_allclose(features[4:], np.concatenate(expected), atol=1e-6)
    assert features[NEARNESS] == pytest.approx(-0.02, abs=1e-4)
    np.testing.assert_allclose(features[1:4], [1, 0.5, 0.25])


def test_far_out_is_seen_from_the_middle_of_the_public_rows() -> None:
    release, auxiliary = table((0.05, 0, 0), (0.5, 0, 0)), table((0.5, 0, 0))
    outward = look(table((0.1, 0, 0)), auxiliary).of(release)[-8:]
    assert outward[1] == pytest.approx(0.5)


def test_many_columns_are_asked_about_in_groups() -> None:
    wide = Records(np.zeros((5, 30)), np.zeros(30, dtype=bool))
    features = look(wide.take(np.array([0])), wide, queries=20_000).of(wide)
    assert features.size == 1 + 30 + 2 * 2 * 2**13
    assert (features[1:] == 1).all()


def test_features_are_finite_and_equally_many_for_odd_releases() -> None:
    rng = np.random.default_rng(0)
    auxiliary = mixed(mixed_rows(50, rng))
    seen = look(auxiliary.take(np.array([0])), auxiliary)
    releases = [auxiliary, *(auxiliary.take(np.full(times, 3)) for times in (0, 1, 7))]
    for part in (seen.of, lambda release: overview(release, MIXED)):
        shapes = {part(release).shape for release in releases}
        assert len(shapes) == 1
        assert all(np.isfinite(part(release)).all() for release in releases)


def test_overview_counts_special_cells_apart() -> None:
    found = overview(table((MISSING_LEVEL, 0, 0), (1.0, 2, 0)), SCHEMA)
    histograms = found[9 : 9 + 12 + 3 + 2]
    np.testing.assert_allclose(histograms, [*[0] * 9, 0.5, 0.5, 0, 0.5, 0, 0.5, 1, 0])
