"""The record sampler: its rounding, its error, and whether a broken one would be noticed.

Bound used throughout: over k cells and n records, independent draws have an expected total variation distance from the
model of at most 0.5 * sqrt(k / n) (Cauchy-Schwarz on the binomial standard deviations), and of about 0.8 of that, since
the mean of a normal's absolute value is sqrt(2 / pi) of its standard deviation. Controlled rounding must not be worse
than the bound. A mean over 20 seeds strays from its expectation by a few per cent, so that a false alarm at 1.0 needs
more than six standard errors; broken samplers must land above twice the bound.
"""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable, Iterator
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpsynth.errors import InvalidInput
from dpsynth.models import CliqueVector, GraphicalModel, JunctionTree, Measurement, estimate, records
from dpsynth.models.belief_propagation import belief_propagation
from dpsynth.models.calibrated_tree import CalibratedTree
from dpsynth.models.junction_tree import TreeNode
from dpsynth.models.records import drawn_without_replacement, rounded_counts, sample_chunks, sample_records
from dpsynth.models.triangulation import CliqueGraph
from dpsynth.schema.domain import Clique, Domain
from tests.models.brute_force import CLIQUE_SETS, DOMAIN, Floats, joint_distribution, project, random_potentials

Sampler = Callable[[CalibratedTree, int, np.random.Generator], np.ndarray]
SEEDS = range(20)
ALLOWED = 1.0


def calibrated(cliques: tuple[Clique, ...], seed: int = 0, spread: float = 1.5) -> CalibratedTree:
    return belief_propagation(JunctionTree.of(DOMAIN, cliques), random_potentials(cliques, seed, spread))


def table_of(records: np.ndarray, clique: Clique, domain: Domain = DOMAIN) -> Floats:
    shape = domain.shape(clique)
    cells = np.ravel_multi_index([records[:, domain.position(name)] for name in clique], shape)
    return np.bincount(cells, minlength=domain.cells(clique)).reshape(shape).astype(float)


def sampling_term(clique: Clique, rows: int, domain: Domain = DOMAIN) -> float:
    return 0.5 * float(np.sqrt(domain.cells(clique) / rows))


def excess(sampler: Sampler, model: CalibratedTree, rows: int) -> float:
    """Return the largest ratio, over pairs and triples, of mean sampling error to sampling term."""
    cliques = [clique for size in (2, 3) for clique in itertools.combinations(DOMAIN.names, size)]
    expected = model.marginals(cliques)
    totals = dict.fromkeys(cliques, 0.0)
    for seed in SEEDS:
        records = sampler(model, rows, np.random.default_rng(seed))
        for clique in cliques:
            distance = 0.5 * np.abs(table_of(records, clique) / rows - expected[clique]).sum()
            totals[clique] += distance / sampling_term(clique, rows) / len(SEEDS)
    return max(totals.values())


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deal sixteen records at a time."""
    monkeypatch.setattr("dpsynth.models.records._MOST_RECORDS", 16)
    monkeypatch.setattr("dpsynth.models.records._FEWEST_RECORDS", 16)


@pytest.mark.parametrize("rows", [50, 2000])
@pytest.mark.parametrize("cliques", CLIQUE_SETS.values(), ids=CLIQUE_SETS.keys())
def test_the_error_of_records_stays_within_the_sampling_term(cliques: tuple[Clique, ...], rows: int) -> None:
    assert excess(sample_records, calibrated(cliques), rows) <= ALLOWED


def along_measured_cliques(model: CalibratedTree, order: tuple[Clique, ...]) -> CalibratedTree:
    """The planted bug: exact conditionals, but each measured clique conditions on whatever columns came before it."""
    nodes, seen = [], list[str]()
    for clique in order:
        separator = tuple(name for name in clique if name in seen)
        residual = tuple(name for name in clique if name not in seen)
        if residual:
            nodes.append(TreeNode(separator + residual, separator, residual, len(nodes) - 1))
            seen += residual
    beliefs = [model.marginal(node.columns) for node in nodes]
    conditionals = []
    for node, belief in zip(nodes, beliefs, strict=True):
        over = tuple(range(len(node.separator), belief.ndim))
        conditionals.append(belief / belief.sum(axis=over, keepdims=True))
    tree = JunctionTree(CliqueGraph.of(model.tree.domain, order), tuple(nodes))
    return CalibratedTree(tree, tuple(conditionals), tuple(beliefs))


@pytest.mark.parametrize("name", ["cycle of three", "cycle of four", "two cycles"])
def test_conditioning_on_measured_cliques_is_caught(name: str) -> None:
    cliques = CLIQUE_SETS[name]
    potentials = random_potentials(cliques, seed=1, spread=0.5)
    closing = next(clique for clique in cliques if clique in {("a", "c"), ("a", "d")})
    potentials[closing].values[...] += np.where(np.indices(DOMAIN.shape(closing)).sum(axis=0) % 2 == 0, 1.0, -1.0)
    model = belief_propagation(JunctionTree.of(DOMAIN, cliques), potentials)
    order = (*cliques, *((column,) for column in DOMAIN.names))

    def broken(model: CalibratedTree, rows: int, rng: np.random.Generator) -> np.ndarray:
        return sample_records(along_measured_cliques(model, order), rows, rng)

    assert excess(sample_records, model, 2000) <= ALLOWED
    assert excess(broken, model, 2000) > 2 * ALLOWED


def test_dealing_without_shuffling_is_caught() -> None:
    model = calibrated(CLIQUE_SETS["single columns"])

    def unshuffled(model: CalibratedTree, rows: int, rng: np.random.Generator) -> np.ndarray:
        return np.sort(sample_records(model, rows, rng), axis=0)

    assert excess(unshuffled, model, 2000) > 2 * ALLOWED


@pytest.mark.parametrize("name", ["chain", "cycle of four", "triples"])
def test_cliques_of_the_tree_are_far_better_than_independent_draws(name: str) -> None:
    model = calibrated(CLIQUE_SETS[name], spread=1.0)
    rows, ratios = 5000, []
    for seed in SEEDS:
        records = sample_records(model, rows, np.random.default_rng(seed))
        for node, belief in zip(model.tree.nodes, model.beliefs, strict=True):
            distance = 0.5 * np.abs(table_of(records, node.columns) / rows - belief).sum()
            ratios.append(distance / sampling_term(node.columns, rows))
    assert np.mean(ratios) < 0.2


def test_end_to_end_error_is_at_most_model_error_plus_sampling_term() -> None:
    rng = np.random.default_rng(12)
    joint = joint_distribution(random_potentials([("a", "b", "c", "d")], 3, 1.0)) * 5000
    cliques = CLIQUE_SETS["two cycles"]
    noisy = [
        Measurement(clique, project(joint, clique) + rng.normal(0, 40, DOMAIN.shape(clique)), 40.0)
        for clique in cliques
    ]
    model = estimate(DOMAIN, noisy)
    rows = 5000
    for clique in itertools.combinations(DOMAIN.names, 2):
        true = project(joint, clique) / 5000
        of_model = 0.5 * np.abs(model.marginal(clique) / model.total - true).sum()
        of_records = np.mean(
            [
                0.5 * np.abs(table_of(model.sample(rows, np.random.default_rng(seed)), clique) / rows - true).sum()
                for seed in SEEDS
            ]
        )
        assert of_records <= of_model + ALLOWED * sampling_term(clique, rows)


def test_impossible_cells_never_occur() -> None:
    potentials = random_potentials([("a", "b"), ("b", "d"), ("a", "d")], 4)
    potentials["a", "b"].values[0, 1:] = -np.inf
    potentials["a", "d"].values[1, :3] = -np.inf
    model = GraphicalModel.from_potentials(potentials, 10.0)
    for seed in range(50):
        records = model.sample(37, np.random.default_rng(seed))
        assert not np.any((records[:, 0] == 0) & (records[:, 1] > 0))
        assert not np.any((records[:, 0] == 1) & (records[:, 3] < 3))


@pytest.mark.parametrize("rows", [0, 1, 2, 7])
@pytest.mark.parametrize("cliques", CLIQUE_SETS.values(), ids=CLIQUE_SETS.keys())
def test_few_rows(cliques: tuple[Clique, ...], rows: int) -> None:
    records = sample_records(calibrated(cliques, spread=100.0), rows, np.random.default_rng(0))
    assert records.shape == (rows, 5)
    assert records.dtype == np.int32
    assert (records >= 0).all()
    assert (records < np.array(DOMAIN.sizes)).all()


def test_same_generator_same_records_and_rows_come_in_no_order() -> None:
    model = calibrated(CLIQUE_SETS["chain"])
    first, second, third = (sample_records(model, 4000, np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, second)
    assert np.any(first != third)
    # Neighbouring rows are as good as independent: a rank correlation over 4000 rows has standard deviation 0.016.
    for column in range(4):
        assert abs(np.corrcoef(first[:-1, column], first[1:, column])[0, 1]) < 0.09


def test_large_tables_go_through_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    model = calibrated(CLIQUE_SETS["triples"])
    monkeypatch.setattr("dpsynth.models.records._BLOCK_CELLS", 3)
    assert excess(sample_records, model, 500) <= ALLOWED


def test_more_separator_cells_than_sixteen_bits() -> None:
    domain = Domain(("x", "y", "z"), (300, 300, 2))
    potentials = CliqueVector.zeros(domain, [("x", "y", "z")])
    tree = JunctionTree(
        CliqueGraph.of(domain, [("x", "y", "z")]),
        (TreeNode(("x", "y"), (), ("x", "y"), -1), TreeNode(("x", "y", "z"), ("x", "y"), ("z",), 0)),
    )
    even = (np.indices((300, 300)).sum(axis=0) % 2 == 0)[:, :, None]
    potentials["x", "y", "z"].values[...] = np.where(even == (np.arange(2) == 0), 0.0, -np.inf)
    records = sample_records(belief_propagation(tree, potentials), 20_000, np.random.default_rng(0))
    np.testing.assert_array_equal(records[:, 2], records[:, :2].sum(axis=1) % 2)


def test_a_negative_number_of_rows_is_refused() -> None:
    with pytest.raises(InvalidInput, match="negative"):
        sample_records(calibrated(()), -1, np.random.default_rng(0))


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(0, 40))
def test_rounded_counts_keep_totals_and_stay_next_to_what_was_expected(seed: int, cells: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(cells, 0.3), size=6)
    weights[rng.random(weights.shape) < 0.2] = 0.0
    weights[:, 0] += weights.sum(axis=1) == 0
    weights /= weights.sum(axis=1, keepdims=True)
    expected = rows * weights
    counts = rounded_counts(expected, rng)
    np.testing.assert_array_equal(counts.sum(axis=1), rows)
    assert (np.abs(counts - expected) < 1 + 1e-9).all()
    assert not counts[expected == 0].any()


def test_rounding_is_unbiased_and_cells_are_not_tied_to_their_neighbours() -> None:
    # Twenty cells of one half, ten of which are rounded up. Under exchangeable rounding any two cells have
    # correlation -1/19; systematic sampling in a fixed order would tie neighbours to -1 or +1.
    draws = rounded_counts(np.full((20_000, 20), 0.5), np.random.default_rng(0)).astype(float)
    assert np.abs(draws.mean(axis=0) - 0.5).max() < 5 * 0.5 / np.sqrt(20_000)
    correlations = np.corrcoef(draws, rowvar=False)[np.triu_indices(20, 1)]
    assert np.abs(correlations + 1 / 19).max() < 6 / np.sqrt(20_000)
    uneven = np.tile([0.05, 0.15, 0.35, 0.45, 1.7, 2.3], (40_000, 1))
    means = rounded_counts(uneven, np.random.default_rng(1)).mean(axis=0)
    assert np.abs(means - uneven[0]).max() < 5 * 0.5 / np.sqrt(40_000)


def furthest_count(model: CalibratedTree, records: np.ndarray) -> float:
    """Return the largest |N(s, r) - N(s) p(r | s)| over the cells of all nodes."""
    furthest = 0.0
    for node, conditional in zip(model.tree.nodes, model.conditionals, strict=True):
        counts = table_of(records, node.columns, model.tree.domain)
        over = tuple(range(len(node.separator), counts.ndim))
        expected = counts.sum(axis=over, keepdims=True) * conditional
        furthest = max(furthest, float(np.abs(counts - expected).max()))
    return furthest


@pytest.mark.usefixtures("small_blocks")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.sampled_from(sorted(CLIQUE_SETS)), st.integers(0, 2**32 - 1), st.integers(0, 200))
def test_pieces_together_are_as_close_to_the_model_as_one_draw(name: str, seed: int, rows: int) -> None:
    model = calibrated(CLIQUE_SETS[name], seed)
    records = np.concatenate([np.empty((0, 5)), *sample_chunks(model, rows, np.random.default_rng(seed), 3)]).astype(
        int
    )
    assert len(records) == rows
    assert furthest_count(model, records) < 1 + 1e-9


def test_pieces_that_are_rounded_apart_and_independent_draws_are_caught() -> None:
    model = calibrated(CLIQUE_SETS["chain"])
    apart = np.concatenate([sample_records(model, 7, np.random.default_rng(seed)) for seed in range(50)])
    independent = np.concatenate([sample_records(model, 1, np.random.default_rng(seed)) for seed in range(350)])
    assert furthest_count(model, apart) > 2
    assert furthest_count(model, independent) > 2


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("chunk_rows", [None, 1, 5, 16, 20, 100])
def test_records_do_not_depend_on_the_size_of_pieces(chunk_rows: int | None) -> None:
    model = calibrated(CLIQUE_SETS["two cycles"])
    pieces = list(sample_chunks(model, 50, np.random.default_rng(3), chunk_rows))
    np.testing.assert_array_equal(np.concatenate(pieces), sample_records(model, 50, np.random.default_rng(3)))
    wanted = chunk_rows or 16
    assert [len(piece) for piece in pieces] == [wanted] * (50 // wanted) + [50 % wanted] * (50 % wanted > 0)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", ["chain", "cycle of four", "triples", "disconnected"])
def test_dealing_in_blocks_keeps_the_error_and_the_random_order(name: str) -> None:
    model = calibrated(CLIQUE_SETS[name])
    assert excess(sample_records, model, 500) <= ALLOWED
    records = sample_records(model, 2000, np.random.default_rng(5))
    for column in range(4):
        assert abs(np.corrcoef(records[:-1, column], records[1:, column])[0, 1]) < 0.13


Pieces = Callable[[CalibratedTree, int, np.random.Generator], Iterator[np.ndarray]]
PIECE = 1024


def peak_memory(sampler: Pieces, pieces: int) -> int:
    """Return the most bytes that were held at a time while pieces were made, looked at and dropped."""
    model = calibrated(CLIQUE_SETS["chain"])
    tracemalloc.start()
    try:
        rows = sum(len(piece) for piece in sampler(model, pieces * PIECE, np.random.default_rng(0)))
        assert rows == pieces * PIECE
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def memory_does_not_grow_with_the_number_of_pieces(sampler: Pieces) -> None:
    few, many = (peak_memory(sampler, pieces) for pieces in (3, 24))
    assert many < 1.5 * few  # kept, eight times as many pieces take more than four times as much


def pieces_are_made_when_they_are_asked_for(sampler: Pieces) -> None:
    model, dealt = calibrated(CLIQUE_SETS["chain"]), records._dealt
    calls = []
    with patch.object(records, "_dealt", lambda *given: calls.append(1) or dealt(*given)):
        pieces = sampler(model, 10 * PIECE, np.random.default_rng(0))
        for made in (1, 2):
            next(pieces)
            assert len(calls) == made * len(model.tree.nodes)


def all_at_once(model: CalibratedTree, rows: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Make every piece before the first is handed out."""
    return iter(list(sample_chunks(model, rows, rng)))


def kept(model: CalibratedTree, rows: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Hand pieces out one by one, and keep them."""
    made = []
    for piece in sample_chunks(model, rows, rng):
        made.append(piece)
        yield piece


def test_memory_of_pieces_does_not_grow_with_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = sample_chunks(calibrated(CLIQUE_SETS["chain"]), 999_999_999, np.random.default_rng(0))
    assert len(next(chunks)) == 1 << 17
    monkeypatch.setattr(records, "_MOST_RECORDS", PIECE)
    monkeypatch.setattr(records, "_FEWEST_RECORDS", PIECE)
    memory_does_not_grow_with_the_number_of_pieces(sample_chunks)
    pieces_are_made_when_they_are_asked_for(sample_chunks)
    for planted in (all_at_once, kept):
        with pytest.raises(AssertionError):
            memory_does_not_grow_with_the_number_of_pieces(planted)
    with pytest.raises(AssertionError):
        pieces_are_made_when_they_are_asked_for(all_at_once)


def test_more_rows_than_can_be_dealt_and_pieces_of_nothing_are_refused() -> None:
    with pytest.raises(InvalidInput, match="999,999,999"):
        sample_chunks(calibrated(()), 1_000_000_000, np.random.default_rng(0))
    with pytest.raises(InvalidInput, match="at least one row"):
        sample_chunks(calibrated(()), 10, np.random.default_rng(0), 0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 5))
def test_draws_without_replacement_take_what_is_there(seed: int, cells: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    left = rng.integers(0, 6, (rows, cells)) * rng.integers(0, 2, (rows, cells))
    sizes = rng.integers(0, left.sum(axis=1) + 1)
    drawn = drawn_without_replacement(left, sizes, rng)
    np.testing.assert_array_equal(drawn.sum(axis=1), sizes)
    assert ((drawn >= 0) & (drawn <= left)).all()


def test_draws_without_replacement_have_hypergeometric_moments() -> None:
    # Mean n K / N and covariance n (N - n) / (N - 1) (K_i / N) (1[i = j] - K_j / N); six standard errors.
    left, size, repeats = np.array([5, 0, 3, 9, 1]), 7, 40_000
    drawn = drawn_without_replacement(np.tile(left, (repeats, 1)), np.full(repeats, size), np.random.default_rng(0))
    share = left / left.sum()
    covariance = size * (18 - size) / 17 * (np.diag(share) - np.outer(share, share))
    error = 6 * np.sqrt(np.diag(covariance) / repeats)
    assert (np.abs(drawn.mean(axis=0) - size * share) <= error).all()
    np.testing.assert_allclose(np.cov(drawn, rowvar=False), covariance, atol=0.04)


@st.composite
def masked_models(draw: st.DrawFn) -> tuple[GraphicalModel, dict[Clique, np.ndarray]]:
    """Draw a model of noisy pairs over up to six columns, with structural zeros over one to three of them each."""
    sizes = tuple(draw(st.lists(st.integers(1, 5), min_size=2, max_size=6)))
    domain = Domain(tuple("abcdef"[: len(sizes)]), sizes)
    cliques = [clique for length in (1, 2, 3) for clique in itertools.combinations(domain.names, length)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    share = draw(st.sampled_from([0.2, 0.5, 0.8]))
    chosen = draw(st.lists(st.sampled_from(cliques), min_size=1, max_size=4, unique=True))
    masks = {clique: rng.random(domain.shape(clique)) < share for clique in chosen}
    survivor = [int(rng.integers(size)) for size in sizes]
    for clique, mask in masks.items():
        mask[tuple(survivor[domain.position(name)] for name in clique)] = False
    measured = draw(st.lists(st.sampled_from(cliques), max_size=4, unique=True))
    scale = draw(st.sampled_from([0.1, 30.0, 1e6]))
    measurements = [
        Measurement(clique, rng.normal(5.0, scale, domain.shape(clique)), draw(st.sampled_from([1e-3, 1.0, 1e3])))
        for clique in measured
    ]
    return estimate(domain, measurements, total=100.0, iterations=30, impossible=masks), masks


@given(masked_models(), st.integers(0, 300), st.integers(0, 2**32 - 1))
def test_no_record_is_ever_in_an_impossible_cell(
    masked: tuple[GraphicalModel, dict[Clique, np.ndarray]], rows: int, seed: int
) -> None:
    """Rounding to whole numbers of records goes to possible cells only, whatever was measured."""
    model, masks = masked
    records = model.sample(rows, np.random.default_rng(seed))
    for clique, mask in masks.items():
        assert not mask[tuple(records[:, model.domain.position(name)] for name in clique)].any()
