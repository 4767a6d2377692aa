"""A fitted model is saved where a path or a text says, and never over something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dpsynth.errors import InvalidInput
from dpsynth.generators.fitted_model import FittedGraphicalModel, load_fitted_model
from dpsynth.models import Measurement, estimate
from dpsynth.schema.schema import Schema

SCHEMA = "{name: t, dpsynth: {unit: {kind: row}}, fields: [{name: a, type: string, categories: [x, y]}]}"


def test_the_folder_may_be_a_path_or_text(tmp_path: Path) -> None:
    schema = Schema.from_text(SCHEMA)
    counts = np.array([5.0, 3.0, *[1.0] * (schema.domain.shape(("a",))[0] - 2)])
    model = estimate(schema.domain, [Measurement(clique=("a",), counts=counts, stddev=1.0)])
    fitted = FittedGraphicalModel(schema, model, ())
    fitted.save(str(tmp_path / "as text"))
    fitted.save(tmp_path / "as path")
    for name in ("as text", "as path"):
        assert load_fitted_model(str(tmp_path / name)).total == pytest.approx(fitted.total)
    with pytest.raises(InvalidInput, match="exists already"):
        fitted.save(str(tmp_path / "as text"))
