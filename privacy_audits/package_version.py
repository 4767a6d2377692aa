"""Which version of the package is audited, installed or not."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path


def version() -> str:
    """Return the version of the package as its project file says, installed or not."""
    try:
        return metadata.version("dpsynth")
    except metadata.PackageNotFoundError:
        file = Path(__file__).parents[1] / "pyproject.toml"
        project = tomllib.loads(file.read_text(encoding="utf-8"))
        return str(project["project"]["version"])
