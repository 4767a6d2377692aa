"""The file of a graphical model: one numpy zip with a JSON header and one array, readable without pickle."""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path

import numpy as np

from dpsynth.errors import InvalidInput
from dpsynth.models.clique_vector import CliqueVector
from dpsynth.schema.domain import Domain

_FORMAT = "dpsynth graphical model 1"


def write_model(path: Path, potentials: CliqueVector, total: float) -> None:
    """Write potentials and total to `path`; the same model gives the same bytes."""
    header = {
        "format": _FORMAT,
        "names": potentials.domain.names,
        "sizes": potentials.domain.sizes,
        "cliques": potentials.cliques,
        "total": total,
    }
    text = json.dumps(header, sort_keys=True, ensure_ascii=True).encode()
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, header=np.frombuffer(text, dtype=np.uint8), potentials=potentials.buffer)


def read_model(path: Path) -> tuple[CliqueVector, float]:
    """Return the potentials and the total that `write_model` wrote.

    Raises:
        InvalidInput: the file is missing or is not such a model.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            header = json.loads(arrays["header"].tobytes())
            potentials = np.asarray(arrays["potentials"], dtype=np.float64)
        if header["format"] != _FORMAT:
            raise InvalidInput(f"{path.name} is not a file of the format '{_FORMAT}'")
        domain = Domain(tuple(map(str, header["names"])), tuple(map(int, header["sizes"])))
        cliques = tuple(tuple(map(str, clique)) for clique in header["cliques"])
        vector, total = CliqueVector(domain, cliques, potentials), float(header["total"])
    except (OSError, EOFError, MemoryError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile):
        raise InvalidInput(f"{path.name} cannot be read as a graphical model") from None
    if not (math.isfinite(total) and total >= 1) or np.isnan(potentials).any() or np.isposinf(potentials).any():
        raise InvalidInput(f"{path.name} holds numbers that no model can have")
    return vector, total
