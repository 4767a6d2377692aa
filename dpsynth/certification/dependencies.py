"""Which packages computed a release, version by version, and one digest of them all."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import metadata

import rfc8785

from dpsynth.accounting.events import JsonValue
from dpsynth.certification.binding_document import DependenciesSection, PackageSection
from dpsynth.generators.registry import GENERATORS

CORE = (
    *("numpy", "scipy", "pandas", "pyarrow", "pydantic", "pyyaml", "typer", "rich", "sqlalchemy", "alembic", "jinja2"),
    *("cryptography", "rfc8785", "safetensors", "scikit-learn", "matplotlib"),
)
"""What every release needs; the same as in the metadata of the package."""

NEURAL = ("torch", "opacus")
"""What generators need besides that train on gradients."""

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


def dependencies_of(generator: str, parameters: Mapping[str, JsonValue]) -> DependenciesSection:
    """Return the installed packages that a release by `generator` rests on, directly or through others.

    Args:
        generator: name in the registry.
        parameters: hyperparameters; of `auto` with the generator that it `chosen`.
    """
    name = str(parameters.get("chosen", generator))
    trains = any(entry.name == name and "GradientQueries" in entry.access for entry in GENERATORS)
    return _installed((*CORE, *NEURAL) if trains else CORE)


def digest_of_packages(packages: Iterable[PackageSection]) -> str:
    """Return the SHA-256 of the canonical JSON of a list of packages."""
    said: JsonValue = [package.model_dump(mode="json") for package in packages]
    return hashlib.sha256(rfc8785.dumps(said)).hexdigest()


@cache
def _installed(roots: tuple[str, ...]) -> DependenciesSection:
    found: dict[str, PackageSection] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(root, "") for root in roots]
    while waiting:
        name, extra = waiting.pop()
        canonical = re.sub(r"[-_.]+", "-", name).lower()
        if (canonical, extra) in seen:
            continue
        seen.add((canonical, extra))
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # needed on other systems or Python versions only
        found[canonical] = PackageSection(
            name=canonical, version=distribution.version, files_sha256=_digest_of_files(distribution)
        )
        waiting += _required(distribution.requires or (), extra)
    packages = tuple(found[name] for name in sorted(found))
    return DependenciesSection(sha256=digest_of_packages(packages), packages=packages)


def _required(requirements: Iterable[str], extra: str) -> Iterator[tuple[str, str]]:
    """Return what a package needs, with the extras that it asks for; `extra` is the one that was asked of it."""
    for requirement in requirements:
        text, _, marker = requirement.partition(";")
        named, of = _REQUIREMENT.match(text), _EXTRA.search(marker)
        if named is None or (of is not None and of[1] != extra):
            continue
        yield named[1], ""
        yield from ((named[1], further.strip()) for further in (named[2] or "").split(",") if further.strip())


def _digest_of_files(distribution: metadata.Distribution) -> str | None:
    """Return a digest of names and digests of a package's files, as installed, equal on every machine.

    Left out is what differs between machines: scripts, which name the interpreter, compiled files and the installer's
    own notes.
    """
    record = distribution.read_text("RECORD")
    if not record:
        return None
    lines = sorted(
        line
        for line in record.splitlines()
        if ",sha256=" in line and not line.startswith(("../", "/", '"')) and ".dist-info/" not in line
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest() if lines else None
