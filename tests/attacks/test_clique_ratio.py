"""Clique ratios by hand, with given cliques and all pairs; large tables are counted by the cells that occur."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.attacks import Records
from dpsynth.attacks import clique_ratio as module
from dpsynth.attacks.clique_ratio import CliqueRatio
from tests.attacks.four_rows import NOTHING, REFERENCE, SYNTHETIC, TARGETS, rng
from tests.attacks.populations import mixed, mixed_split

CODES = np.array([False, False, False])
SYNTHETIC_ROWS = Records(np.array([[0.0, 0, 0], [0, 1, 0], [1, 1, 1], [1, 1, 2]]), CODES)
REFERENCE_ROWS = Records(np.array([[0.0, 0, 1], [1, 0, 0]]), CODES)
TARGET = Records(np.array([[0.0, 1, 0]]), CODES)


def ratio(in_synthetic: float, in_reference: float) -> float:
    return float(np.log(in_synthetic + 1 / 2) - np.log(in_reference + 1 / 2))


def test_all_pairs_by_hand() -> None:
    # Agreeing with (0, 1, 0): columns 1, 2: one of four, none; 1, 3: two of four, none; 2, 3: one of four, none.
    expected = (2 / 2) * (ratio(1 / 4, 0) + ratio(2 / 4, 0) + ratio(1 / 4, 0))
    np.testing.assert_allclose(
        CliqueRatio().score(TARGET, SYNTHETIC_ROWS, REFERENCE_ROWS, rng=rng()), [expected], atol=1e-8
    )


def test_given_cliques_share_the_weight_of_their_columns() -> None:
    # Column 1 is in two cliques, columns 2 and 3 in one each: weights 3/2 and 3/2.
    attack = CliqueRatio(cliques=((0, 1), (2, 0)))
    expected = 1.5 * ratio(1 / 4, 0) + 1.5 * ratio(2 / 4, 0)
    np.testing.assert_allclose(attack.score(TARGET, SYNTHETIC_ROWS, REFERENCE_ROWS, rng=rng()), [expected], atol=1e-8)
    alone = CliqueRatio(cliques=((2,), (1, 0, 2)))
    expected = 0.5 * ratio(2 / 4, 1 / 2) + 2.5 * ratio(1 / 4, 0)
    np.testing.assert_allclose(alone.score(TARGET, SYNTHETIC_ROWS, REFERENCE_ROWS, rng=rng()), [expected], atol=1e-8)


def test_a_constant_column_is_no_member_of_any_clique() -> None:
    def widened(table: Records) -> Records:
        values = np.column_stack([np.full(len(table), 7.0), table.values])
        return Records(values, np.append(False, table.ordered))

    tables = (TARGET, SYNTHETIC_ROWS, REFERENCE_ROWS)
    for cliques, shifted in ((None, None), (((0, 1), (2, 0)), ((1, 2, 0), (3, 1)))):
        plain = CliqueRatio(cliques).score(*tables, rng=rng())
        np.testing.assert_array_equal(CliqueRatio(shifted).score(*map(widened, tables), rng=rng()), plain)


def test_the_order_of_columns_changes_no_bit() -> None:
    split = mixed_split(300, np.random.default_rng(1))
    tables = [mixed(codes) for codes in (split.members, split.fresh, split.reference)]
    order = np.random.default_rng(2).permutation(tables[0].width)
    turned = [Records(table.values[:, order], table.ordered[order]) for table in tables]
    np.testing.assert_array_equal(CliqueRatio().score(*turned, rng=rng()), CliqueRatio().score(*tables, rng=rng()))


def test_large_tables_are_counted_by_the_cells_that_occur(monkeypatch: pytest.MonkeyPatch) -> None:
    split = mixed_split(200, np.random.default_rng(1))
    tables = [mixed(codes) for codes in (split.members, split.fresh, split.reference)]
    attack = CliqueRatio(cliques=((0, 1, 2, 3, 4), (5, 6)))
    plain = attack.score(*tables, rng=rng())
    monkeypatch.setattr(module, "_MOST_CELLS", 100)
    np.testing.assert_array_equal(attack.score(*tables, rng=rng()), plain)


def test_nothing_to_compare_gives_zero() -> None:
    for synthetic, reference in (
        (NOTHING, NOTHING),
        (NOTHING, REFERENCE),
        (SYNTHETIC, NOTHING),
        (REFERENCE, REFERENCE),
    ):
        np.testing.assert_array_equal(CliqueRatio().score(TARGETS, synthetic, reference, rng=rng()), np.zeros(4))
    assert CliqueRatio().score(NOTHING, SYNTHETIC, REFERENCE, rng=rng()).shape == (0,)
