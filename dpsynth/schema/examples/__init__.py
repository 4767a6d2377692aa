"""Schemas of public tables that come with packages, ready to try.

`randhie` describes `statsmodels.datasets.randhie`, the RAND Health Insurance Experiment.
"""

from __future__ import annotations

from importlib.resources import files

from dpsynth.errors import InvalidInput
from dpsynth.schema.schema import Schema


def example_schema(name: str) -> Schema:
    """Return the example schema of that name.

    Raises:
        InvalidInput: there is none of that name.
    """
    resource = files(__name__) / f"{name}.schema.yaml"
    if not name.isidentifier() or not resource.is_file():
        raise InvalidInput(f"there is no example schema '{name}'")
    return Schema.from_text(resource.read_text(encoding="utf-8"), source=f"example '{name}'")
