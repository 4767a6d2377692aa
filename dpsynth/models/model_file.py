"""The file of a graphical model: one array with a JSON header, without pickle."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from dpsynth.errors import InvalidInput
from dpsynth.models.array_file import packed, unpacked
from dpsynth.models.clique_vector import CliqueVector
from dpsynth.schema.domain import Domain

_FORMAT = "dpsynth graphical model 2"


def write_model(path: Path, potentials: CliqueVector, total: float) -> None:
    """Write potentials and total to `path`; the same model gives the same bytes."""
    header = {
        "format": _FORMAT,
        "names": potentials.domain.names,
        "sizes": potentials.domain.sizes,
        "cliques": potentials.cliques,
        "total": total,
    }
    path.write_bytes(packed(header, {"potentials": potentials.buffer}))


def read_model(path: Path) -> tuple[CliqueVector, float]:
    """Return the potentials and the total that `write_model` wrote.

    Raises:
        InvalidInput: the file is missing or is not such a model.
    """
    try:
        header, arrays = unpacked(path.read_bytes(), name=path.name)
        potentials = np.asarray(arrays["potentials"], dtype=np.float64)
        if header["format"] != _FORMAT:
            raise InvalidInput(f"{path.name} is not a file of the format '{_FORMAT}'")
        domain = Domain(tuple(map(str, header["names"])), tuple(map(int, header["sizes"])))
        cliques = tuple(tuple(map(str, clique)) for clique in header["cliques"])
        vector, total = CliqueVector(domain, cliques, potentials), float(header["total"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InvalidInput(f"{path.name} cannot be read as a graphical model") from None
    if not (math.isfinite(total) and total >= 1) or np.isnan(potentials).any() or np.isposinf(potentials).any():
        raise InvalidInput(f"{path.name} holds numbers that no model can have")
    return vector, total
