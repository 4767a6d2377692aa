"""A pickle runs code when it is opened: the package writes none and opens none, and it has no other way to."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source_tree import PACKAGE, modules

FORBIDDEN = frozenset({"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"})
"""Modules that open pickles, or what is as dangerous."""

OPENERS = frozenset({"torch.load", "torch.save", "torch.jit.load", "pandas.read_pickle", "pd.read_pickle"})


def faults_in(source: str) -> Iterator[str]:
    """Yield what in `source` could open or write a pickle."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names):
                yield from (name.name for name in names if name.name.split(".")[0] in FORBIDDEN)
            case ast.ImportFrom(str(module)) if module.split(".")[0] in FORBIDDEN:
                yield module
            case ast.ImportFrom("torch", names):
                yield from (f"torch.{name.name}" for name in names if f"torch.{name.name}" in OPENERS)
            case ast.Call(function, _, keywords):
                called = ast.unparse(function)
                refused = [word for word in keywords if word.arg == "allow_pickle"]
                is_off = [isinstance(word.value, ast.Constant) and word.value.value is False for word in refused]
                if called in OPENERS or called.endswith(".to_pickle") or not all(is_off):
                    yield called
                if called in {"np.load", "numpy.load"} and not refused:
                    yield f"{called} without allow_pickle=False"


@pytest.mark.parametrize("module", modules(PACKAGE), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_opens_or_writes_a_pickle(module: object) -> None:
    assert list(faults_in(module.read_text(encoding="utf-8"))) == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "planted",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib.memory",
        "import torch\ntorch.load(path, weights_only=True)",
        "from torch import load",
        "torch.save(state, path)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.savez(path, allow_pickle=flag)",
        "frame.to_pickle(path)",
    ],
)
def test_a_planted_pickle_is_found(planted: str) -> None:
    assert list(faults_in(planted))


def test_what_is_plain_is_let_through() -> None:
    assert list(faults_in("import json\nnp.load(path, allow_pickle=False)\nsafetensors.numpy.save(arrays)")) == []
