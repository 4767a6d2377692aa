from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from dpsynth.errors import InvalidInput
from dpsynth.models import GraphicalModel, JunctionTree, Measurement, estimate
from dpsynth.models.array_file import packed, unpacked
from dpsynth.schema.domain import Domain
from tests.models.brute_force import ALL_CLIQUES, CLIQUE_SETS, DOMAIN, joint_distribution, project, random_potentials


def model_of(name: str, total: float = 120.0) -> GraphicalModel:
    return GraphicalModel.from_potentials(random_potentials(CLIQUE_SETS[name], 1, 2.0), total)


@pytest.mark.parametrize("name", CLIQUE_SETS)
def test_marginals_are_in_rows_with_axes_as_asked(name: str) -> None:
    model = model_of(name)
    joint = joint_distribution(model.potentials) * 120.0
    together = model.marginals(ALL_CLIQUES)
    assert tuple(together) == tuple(dict.fromkeys(ALL_CLIQUES)) or set(together) == set(ALL_CLIQUES)
    for clique in ALL_CLIQUES:
        np.testing.assert_allclose(together[clique], project(joint, clique), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(model.marginal(clique), together[clique], rtol=1e-9, atol=1e-12)


def test_marginals_are_copies() -> None:
    model = model_of("chain")
    for clique in (("a", "b"), ("a", "d")):
        model.marginal(clique)[...] = -1.0
        assert model.marginal(clique).min() >= 0


def test_size_with_a_clique_is_the_size_it_then_has() -> None:
    model = model_of("chain")
    assert model.size == 6 + 6 + 8 + 4
    for clique in itertools.combinations(DOMAIN.names, 2):
        assert model.size_with(clique) == JunctionTree.of(DOMAIN, [*model.cliques, clique]).cells


@pytest.mark.parametrize("name", CLIQUE_SETS)
def test_a_saved_model_comes_back_the_same(name: str, tmp_path: Path) -> None:
    model = model_of(name)
    path = tmp_path / "model.anything"
    model.save(path)
    loaded = GraphicalModel.load(path)
    assert (loaded.domain, loaded.cliques, loaded.total) == (model.domain, model.cliques, model.total)
    np.testing.assert_array_equal(loaded.potentials.buffer, model.potentials.buffer)
    rows = [each.sample(50, np.random.default_rng(3)) for each in (model, loaded)]
    np.testing.assert_array_equal(*rows)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_model_file_needs_no_pickle_and_holds_only_the_potentials(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model_of("chain").save(path)
    header, arrays = unpacked(path.read_bytes(), name=path.name)
    assert list(arrays) == ["potentials"]
    assert sorted(header) == ["cliques", "format", "names", "sizes", "total"]


def test_a_fitted_model_does_not_remember_the_measurements() -> None:
    counts = np.array([[101.25, 207.5, 40.0], [66.0, 87.25, 13.0]])
    model = estimate(DOMAIN, [Measurement(("a", "b"), counts, 3.0)])
    held = [model.potentials.buffer, *model.calibrated.conditionals, *model.calibrated.beliefs]
    assert not any(np.shares_memory(counts, array) for array in held)
    assert set(GraphicalModel.__slots__) == {"potentials", "total", "calibrated"}


def tampered(path: Path, **changes: object) -> Path:
    header, arrays = unpacked(path.read_bytes(), name=path.name)
    arrays |= {name: np.asarray(value) for name, value in changes.items() if name in arrays}
    path.write_bytes(packed(header | {name: value for name, value in changes.items() if name in header}, arrays))
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "something else"},
        {"names": ["a"]},
        {"sizes": [2, 3, 2, 4, -1]},
        {"cliques": [["a", "z"]]},
        {"cliques": [["b", "a"]]},
        {"cliques": 5},
        {"total": -4.0},
        {"total": None},
        {"potentials": np.zeros(3)},
        {"potentials": np.full(24, np.nan)},
        {"potentials": np.full(24, np.inf)},
        {"potentials": np.ones(24, dtype=np.float32)[:-1]},
    ],
)
def test_a_file_that_is_no_model_is_refused(changes: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model_of("chain").save(path)
    with pytest.raises(InvalidInput):
        GraphicalModel.load(tampered(path, **changes))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 broken", b"\x80\x04\x95pickle"])
def test_a_broken_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"model\.safetensors is no file of arrays"):
        GraphicalModel.load(path)
    with pytest.raises(InvalidInput, match="missing cannot be read"):
        GraphicalModel.load(tmp_path / "missing")


def test_repeated_and_unknown_columns_are_refused() -> None:
    model = model_of("chain")
    for call in (model.marginal, model.size_with, lambda clique: model.marginals([clique])):
        with pytest.raises(InvalidInput, match="repeats"):
            call(("a", "a"))
        with pytest.raises(InvalidInput, match="not a column"):
            call(("a", "z"))


def test_a_domain_without_columns() -> None:
    model = estimate(Domain((), ()), [Measurement((), np.array(7.0), 1.0)])
    assert model.marginal(()) == 7.0
    assert model.sample(3, np.random.default_rng(0)).shape == (3, 0)
