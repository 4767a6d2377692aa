"""A fitted model is saved where a path or a text says, and never over something else."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from dpsynth.accounting.events import GaussianDpEvent
from dpsynth.curator.queries import NoisyMarginal
from dpsynth.errors import InvalidInput
from dpsynth.generators.fitted_model import FittedGraphicalModel, load_fitted_model
from dpsynth.models import Measurement, estimate
from dpsynth.schema.schema import Schema

SCHEMA = "{name: t, dpsynth: {unit: {kind: row}}, fields: [{name: a, type: string, categories: [x, y]}]}"


def small() -> FittedGraphicalModel:
    schema = Schema.from_text(SCHEMA)
    counts = np.array([5.0, 3.0, *[1.0] * (schema.domain.shape(("a",))[0] - 2)])
    model = estimate(schema.domain, [Measurement(clique=("a",), counts=counts, stddev=1.0)])
    answer = NoisyMarginal(("a",), counts.astype(np.int64), 1.0, GaussianDpEvent(1.0))
    return FittedGraphicalModel(schema, model, (answer,))


def test_the_folder_may_be_a_path_or_text(tmp_path: Path) -> None:
    fitted = small()
    fitted.save(str(tmp_path / "as text"))
    fitted.save(tmp_path / "as path")
    for name in ("as text", "as path"):
        assert load_fitted_model(str(tmp_path / name)).total == pytest.approx(fitted.total)
    with pytest.raises(InvalidInput, match="exists already"):
        fitted.save(str(tmp_path / "as text"))


@pytest.mark.parametrize("name", ["model.safetensors", "measurements.safetensors", "measurements.json"])
@pytest.mark.parametrize("content", [b"", b"{}", pickle.dumps({"a": 1}), None], ids=["empty", "json", "pickle", "gone"])
def test_a_damaged_or_pickled_file_is_refused(name: str, content: bytes | None, tmp_path: Path) -> None:
    small().save(tmp_path / "model")
    if content is None:
        (tmp_path / "model" / name).unlink()
    else:
        (tmp_path / "model" / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=r"damaged|cannot be read|holds no saved model"):
        load_fitted_model(tmp_path / "model")
