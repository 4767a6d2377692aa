"""Which code this is, to the byte: evidence about an implementation holds for that implementation and no other."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]

_EVERY_FIT = ("dpsynth.curator.curator", "dpsynth.ledger.ledger", "dpsynth.randomness")


@cache
def source_sha256(generator_module: str) -> str:
    """Return the SHA-256 over every module of the package that a fit can run: place and text, in order of places.

    That is the generator's module, curator, ledger and randomness, and all that they import from this package, now or
    later; reports, attacks and other generators may change without making evidence stale. Line endings count as one
    character, so that a checkout and a wheel of the same version agree.

    Args:
        generator_module: name of the module that defines the generator.
    """
    return _digest_of(_closure(generator_module, *_EVERY_FIT))


@cache
def attack_suite_sha256() -> str:
    """Return the SHA-256 over every module of the attacks, as `source_sha256` takes it."""
    return _digest_of({f"dpsynth.attacks.{path.stem}": path for path in (_PACKAGE / "attacks").glob("*.py")})


def _digest_of(modules: Mapping[str, Path]) -> str:
    digest = hashlib.sha256()
    for name, path in sorted(modules.items()):
        text = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{name}\0{len(text)}\0".encode())
        digest.update(text)
    return digest.hexdigest()


def _closure(*roots: str) -> dict[str, Path]:
    """Return all modules of this package that `roots` reach by imports, wherever in a module these stand."""
    found: dict[str, Path] = {}
    waiting = [*roots]
    while waiting:
        name = waiting.pop()
        path = _file_of(name)
        if name in found or path is None:
            continue
        found[name] = path
        waiting += _imported(path.read_bytes())
        # Importing a module runs the packages above it.
        waiting += [name.rpartition(".")[0]] if "." in name.removeprefix("dpsynth.") else []
    return found


def _file_of(name: str) -> Path | None:
    place = _PACKAGE.joinpath(*name.split(".")[1:])
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        if name.startswith("dpsynth.") and file.is_file():
            return file
    return None


@cache
def _imported(text: bytes) -> tuple[str, ...]:
    """Return what a module imports; kept, because generators share most of their modules."""
    names: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
            names += (f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(names)
