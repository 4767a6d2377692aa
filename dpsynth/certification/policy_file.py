"""Policies as YAML files: every threshold with its reason and its source, and nothing that is not known.

A file names itself, its purpose and its thresholds. With `extends` it takes over what it does not name from a preset;
what a release is judged by, and what the digest on the certificate is of, is always the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints

import yaml

from dpsynth.certification.policy import THRESHOLDS, Policy
from dpsynth.errors import InvalidInput

PRESETS = ("strict", "default", "ema-0070", "research")
"""Policies that come with the package, the narrowest first."""

_KEYS = frozenset({"name", "purpose", "extends", "thresholds"})
_PARTS = frozenset({"value", "reason", "source"})
_SUFFIXES = frozenset({".yaml", ".yml"})


def load_policy(name: str | Path) -> Policy:
    """Return the preset of this name, or the policy in this file, which ends in .yaml or .yml.

    Raises:
        InvalidInput: there is neither, or the file says something that no policy says; names the file and the key.
    """
    path = Path(name)
    if path.suffix in _SUFFIXES:
        try:
            return _read(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as fault:
            raise InvalidInput(f"the policy {path} cannot be read ({type(fault).__name__})") from fault
    if str(name) not in PRESETS:
        raise InvalidInput(f"there is no policy '{name}': give a file, *.yaml, or one of {', '.join(PRESETS)}")
    return _preset(str(name))


def policy_text(policy: Policy) -> str:
    """Return `policy` as a whole file, nothing taken over from elsewhere; reading it gives the same policy."""
    said = {
        "name": policy.name,
        "purpose": policy.purpose,
        "thresholds": {
            name: {"value": policy.written(name), "reason": policy.reasons[name], "source": policy.sources[name]}
            for name in THRESHOLDS
        },
    }
    text: str = yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=118)
    return text


@cache
def _preset(name: str) -> Policy:
    file = f"{name}.yaml"
    return _read(resources.files("dpsynth.certification").joinpath("policies", file).read_text(encoding="utf-8"), file)


def _read(text: str, source: str) -> Policy:
    try:
        content = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a safe loader that also refuses repeated keys
    except yaml.YAMLError as fault:
        raise InvalidInput(f"{source} is not YAML: {' '.join(str(fault).split())}") from fault
    said = _mapping(content, source, "the file", allowed=_KEYS)
    named = _mapping(said.get("thresholds", {}), source, "thresholds", allowed=frozenset(THRESHOLDS))
    parts = {
        name: _mapping(part, source, f"thresholds.{name}", allowed=_PARTS, needed=_PARTS)
        for name, part in named.items()
    }
    base = _base(said, source)
    missing = [name for name in THRESHOLDS if name not in parts]
    if missing and base is None:
        raise InvalidInput(
            f"{source}: thresholds.{missing[0]} is missing; give every threshold, or say `extends: default`"
        )
    values: dict[str, Any] = {} if base is None else {name: getattr(base, name) for name in missing}
    values |= {name: _value(name, part["value"], source) for name, part in parts.items()}
    reasons, sources = (dict(base.reasons), dict(base.sources)) if base is not None else ({}, {})
    for name, part in parts.items():
        reasons[name] = _text(part["reason"], source, f"thresholds.{name}.reason")
        sources[name] = _text(part["source"], source, f"thresholds.{name}.source")
    try:
        return Policy(
            name=_text(said.get("name"), source, "name"),
            purpose=_text(said.get("purpose"), source, "purpose"),
            **values,
            reasons=MappingProxyType(reasons),
            sources=MappingProxyType(sources),
        )
    except InvalidInput as fault:
        raise InvalidInput(f"{source}: {fault}") from fault


def _base(said: Mapping[str, Any], source: str) -> Policy | None:
    if "extends" not in said:
        return None
    name = _text(said["extends"], source, "extends")
    if name not in PRESETS:
        raise InvalidInput(f"{source}: extends must be one of {', '.join(PRESETS)}, not '{name}'")
    return _preset(name)


def _mapping(
    content: object, source: str, where: str, *, allowed: frozenset[str], needed: frozenset[str] = frozenset()
) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise InvalidInput(f"{source}: {where} must be a list of keys with values")
    unknown = sorted(str(key) for key in content.keys() - allowed)
    if unknown:
        raise InvalidInput(f"{source}: {where} has no key '{unknown[0]}'; known are {', '.join(sorted(allowed))}")
    missing = sorted(needed - content.keys())
    if missing:
        raise InvalidInput(f"{source}: {where}.{missing[0]} is missing")
    return content


def _value(name: str, content: object, source: str) -> object:
    where = f"{source}: thresholds.{name}.value"
    kind = get_type_hints(Policy)[name]
    if isinstance(content, bool) or not isinstance(content, int | float | str):
        raise InvalidInput(f"{where} must be a number or a text")
    try:
        if kind is str:
            return str(content)
        if kind is int:
            return int(str(content))
        exact = Fraction(str(content))  # refuses nan and infinities, too
        return Decimal(str(content)) if kind is Decimal else exact
    except (ValueError, ZeroDivisionError, InvalidOperation) as fault:
        wanted = {int: "a whole number", Decimal: "a number such as 1e-5"}.get(kind, "a fraction such as 1/20 or 0.05")
        raise InvalidInput(f"{where} must be {wanted}, not '{content}'") from fault


def _text(content: object, source: str, where: str) -> str:
    if not isinstance(content, str) or not content.strip() or not content.isprintable():
        raise InvalidInput(f"{source}: {where} must be a text in one paragraph")
    return content.strip()


class _StrictLoader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice: only one of the two values would count."""


def _unique(loader: _StrictLoader, node: yaml.MappingNode) -> dict[object, object]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    for place, key in enumerate(keys):
        if key in keys[:place]:
            raise yaml.constructor.ConstructorError(None, None, f"the key '{key}' is given twice", node.start_mark)
    return dict(loader.construct_mapping(node))


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique)
