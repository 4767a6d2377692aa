"""Audits of the implementation, bound to the version that they were made of.

`implementation_audits.json` is the register. Each of its `results` has the keys of `AuditResult` and no other; a
campaign of `privacy_audits` adds a line when it has run on the source code that is going to be published. A result
counts for a release only if version and digest of the source code are those that run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib import metadata, resources
from typing import Literal, cast

from dpsynth.certification.source_digest import source_sha256
from dpsynth.errors import InvalidInput
from dpsynth.generators.registry import GENERATORS
from dpsynth.generators.registry import generator as find_generator

Layer = Literal["L0", "L1", "L2", "L3", "L4"]

LAYERS: tuple[Layer, ...] = ("L0", "L1", "L2", "L3", "L4")
"""Replay of answers, residuals of noise, worst-case game, primitives, and one run of everything."""

_REGISTER = "implementation_audits.json"
_FORMAT = 1
_RESULTS = ("PASS", "FAIL")
NOT_INSTALLED = "not installed as a package"
"""The version of a checkout that is only on the path: no line of the register is about it."""

FOREIGN = "code from outside of dpsynth"
"""What stands for the name of a generator that is none of the registry: no line of the register is about it."""

_BLIND, _OF_TRAININGS = ("L1", "L2"), {"worst_case_game", "gradient_canary"}


@dataclass(frozen=True, slots=True)
class AuditResult:
    """One line of the register.

    Attributes:
        id: its name, once in the register.
        campaign: the folder below `privacy_audits`.
        generator: name of the generator, or `all`.
        layer: one of `LAYERS`.
        software_version: version of dpsynth that was audited.
        source_sha256: `source_digest(generator)` of it: of the code that a fit can run, see `source_digest`.
        result: PASS or FAIL.
        date: when, as YYYY-MM-DD.
        file: the file with the raw counts, below `privacy_audits`.
    """

    id: str
    campaign: str
    generator: str
    layer: str
    software_version: str
    source_sha256: str
    result: str
    date: str
    file: str


@dataclass(frozen=True, slots=True)
class VersionAudits:
    """What the register holds for the version that runs and one generator.

    Attributes:
        software_version: the version.
        source_sha256: digest of the source code that a fit of the generator can run.
        results: in the order of the register.
        generator: what they are about, as `audits_of_this_version` was asked.
        required: layers that the policy asks for.
        trains: whether the generator asks for gradients or votes, to which the worst-case game is blind: L1 and L2 then
            need the gradient canary as well.
        changed: whether other code has begun the release: what is on record is about one of the two, so it refutes, but
            lets nothing pass.
    """

    software_version: str
    source_sha256: str
    results: tuple[AuditResult, ...]
    generator: str
    required: tuple[str, ...] = ()
    trains: bool = False
    changed: bool = False

    @property
    def described(self) -> str:
        """Version and source code that run, in words."""
        installed = self.software_version != NOT_INSTALLED
        version = f"version {self.software_version}" if installed else "a checkout without a version"
        return f"{version}, source {self.source_sha256[:12]}"

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the audits that this version failed."""
        return tuple(result.id for result in self.results if result.result == "FAIL")

    @property
    def missing(self) -> tuple[str, ...]:
        """Layers that are asked for and that no audit of this version has passed."""
        return tuple(layer for layer in self.required if not self._passed(layer))

    def _passed(self, layer: str) -> bool:
        if self.changed or self.generator == FOREIGN:
            return False  # what is on record about all generators is about those of the registry
        campaigns = {result.campaign for result in self.results if (result.layer, result.result) == (layer, "PASS")}
        return bool(campaigns) and (not self.trains or layer not in _BLIND or campaigns >= _OF_TRAININGS)


def read_register(text: str) -> tuple[AuditResult, ...]:
    """Return the lines of a register.

    Raises:
        InvalidInput: it is not in the form that this version knows.
    """
    try:
        said = json.loads(text)
        results = tuple(AuditResult(**line) for line in said["results"])
    except (ValueError, KeyError, TypeError) as fault:
        raise InvalidInput(f"{_REGISTER} is not a register of audits") from fault
    names = [result.id for result in results]
    for result in results:
        whole = all(isinstance(getattr(result, field.name), str) for field in fields(AuditResult))
        if not whole or result.layer not in LAYERS or result.result not in _RESULTS or names.count(result.id) > 1:
            raise InvalidInput(f"{_REGISTER}: '{result.id}' is not a line of a register of audits")
    if said.get("format") != _FORMAT:
        raise InvalidInput(f"{_REGISTER} is of another format than {_FORMAT}")
    return results


def audits_of_this_version(
    generator: str, required: Sequence[str] = (), *, register: Sequence[AuditResult] | None = None
) -> VersionAudits:
    """Return what the register holds for the running version and a generator.

    Args:
        generator: as `audited_name` returns it.
        required: layers that the policy asks for.
        register: lines; those of the package if None.
    """
    known = _shipped_register() if register is None else register
    version, names = _version(), generator.split(": ")
    current = {(version, each, source_digest(each)) for each in ("all", *names)}
    found = tuple(line for line in known if (line.software_version, line.generator, line.source_sha256) in current)
    trains = any(entry.name == names[-1] and entry.access != "MarginalQueries" for entry in GENERATORS)
    return VersionAudits(version, source_digest(names[-1]), found, generator, tuple(required), trains)


def audited_name(generator: object, chosen: str = "") -> str:
    """Return under which name audits of a generator are on record.

    Whatever name and module it says, a class other than that of the registry was not audited: the digest is not of its
    code.

    Args:
        generator: the generator.
        chosen: what it picked, if it is `auto`; both have lines, as `auto: mst`.
    """
    name = str(getattr(generator, "name", ""))
    if name not in {entry.name for entry in GENERATORS} or type(generator) is not type(find_generator(name)):
        return FOREIGN
    return f"{name}: {chosen}" if chosen else name


@cache
def source_digest(generator: str) -> str:
    """Return the digest of the source code that a fit of this generator can run; of any generator, for `all`."""
    if generator not in {entry.name for entry in GENERATORS}:
        return source_sha256("dpsynth.curator.curator")
    return source_sha256(type(find_generator(generator)).__module__)


def as_layer(layer: str) -> Layer:
    """Return `layer` as one of `LAYERS`, which the register has made sure of."""
    return cast("Layer", layer)


@cache
def _shipped_register() -> tuple[AuditResult, ...]:
    return read_register(resources.files("dpsynth.certification").joinpath(_REGISTER).read_text(encoding="utf-8"))


def _version() -> str:
    try:
        return metadata.version("dpsynth")
    except metadata.PackageNotFoundError:
        return NOT_INSTALLED
