"""No seed fixes the noise, training included, and no saved model holds a pickle; planted ones are found."""

from __future__ import annotations

import dataclasses
import io
import pickle
import random
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator import Curator
from dpsynth.generators.registry import GENERATORS, GeneratorEntry
from dpsynth.ledger import Ledger
from tests.conformance.test_synthesizers import BUDGET, schema, table, usual_fit

SMALL = {
    "components": 16,
    "hidden": 16,
    "critics": 3,
    "units": 2,
    "warm_steps": 2,
    "generator_steps": 1,
    "last_steps": 2,
}
"""For generators that train: as little as shows whether the noise is the same."""


@pytest.fixture(params=GENERATORS, ids=lambda entry: entry.name)
def entry(request: pytest.FixtureRequest) -> GeneratorEntry:
    chosen: GeneratorEntry = request.param
    if chosen.extra == "neural":
        pytest.importorskip("torch", reason="needs the neural extra")
    return chosen


def small(entry: GeneratorEntry) -> Any:
    made: Any = entry.load()
    known = {field.name for field in dataclasses.fields(made)} if "GradientQueries" in entry.access else set()
    return dataclasses.replace(made, **{name: value for name, value in SMALL.items() if name in known})


def fitted(entry: GeneratorEntry) -> Any:
    """Fit with the noise of a release, and with every global seed at the same number."""
    books = Ledger("sqlite://")
    books.set_budget("clinic", PrivacyBudget(2, "1e-5"), unit="one row", event_delta="5e-6")
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(7)
    return small(entry).fit(Curator.open(table(300), schema(), ledger=books), BUDGET, rng=np.random.default_rng(5))


def test_equal_global_seeds_give_different_answers_and_models(entry: GeneratorEntry) -> None:
    first, second = fitted(entry), fitted(entry)
    pairs = zip(first.measurements, second.measurements, strict=False)
    assert any(one.counts.shape != other.counts.shape or (one.counts != other.counts).any() for one, other in pairs)
    codes = [model.sample(200, rng=np.random.default_rng(6)).codes for model in (first, second)]
    assert not np.array_equal(*codes)


def pickles_in(folder: Path) -> list[str]:
    """Return the files, and members of archives, that are pickles or hold objects."""
    found = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        content = path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                found += [f"{path.name}/{name}" for name in archive.namelist() if _is_pickle(name, archive.read(name))]
        elif _is_pickle(path.name, content):
            found.append(path.name)
    return found


def _is_pickle(name: str, content: bytes) -> bool:
    if content.startswith(b"\x93NUMPY"):
        file = io.BytesIO(content)
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        return bool(read(file)[2].hasobject)
    return Path(name).suffix in {".pkl", ".pickle", ".pt", ".pth", ".joblib"} or content[:1] == b"\x80"


def test_a_saved_model_holds_no_pickle(entry: GeneratorEntry, tmp_path: Path) -> None:
    usual_fit(entry)[0].save(tmp_path / "model")
    files = [path for path in (tmp_path / "model").rglob("*") if path.is_file()]
    assert files
    assert {path.suffix for path in files} == {".json", ".yaml", ".safetensors"}
    assert pickles_in(tmp_path) == []


def test_planted_pickles_are_found(tmp_path: Path) -> None:
    (tmp_path / "plain.json").write_bytes(pickle.dumps({"rows": 3}))
    np.savez(tmp_path / "objects.npz", rows=np.array([{"a": 1}], dtype=object))
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object))
    np.savez(tmp_path / "numbers.npz", rows=np.zeros(3))
    with zipfile.ZipFile(tmp_path / "network.zip", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps([1]))
    assert pickles_in(tmp_path) == ["network.zip/archive/data.pkl", "objects.npy", "objects.npz/rows.npy", "plain.json"]
