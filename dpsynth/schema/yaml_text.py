"""Declared values written as YAML that every reader of YAML reads alike.

Text that some readers would take for a truth value, a number or a date is quoted; numbers stay unquoted where the key
says that a number is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

_NUMBER_KEYS = frozenset({"minimum", "maximum", "bins", "spikes"})
_NUMBER_TAGS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")

_SINGLE_LETTER_TRUTH = frozenset("yYnN")
"""Truth values in the letter of YAML 1.1, which PyYAML leaves out and some other readers do not."""

_FOLDED = frozenset("\n\r\t\x85\u2028\u2029\ufeff")
"""Characters that other styles than double quotes may fold into blanks."""


def yaml_text(written: Mapping[str, Any]) -> str:
    """Return YAML text for the keys and values of a schema file, in their order."""
    return yaml.dump(
        _numbers_marked(written),
        Dumper=_Dumper,
        allow_unicode=True,
        sort_keys=False,
        width=120,
        default_flow_style=None,
    )


class _Number(str):
    """The text of a number, written without quotes where YAML reads it as one."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes without anchors and with `_Number`."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature of PyYAML
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "'" if text in _SINGLE_LETTER_TRUTH else '"' if not _FOLDED.isdisjoint(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_number(dumper: yaml.SafeDumper, number: _Number) -> yaml.ScalarNode:
    tag = dumper.resolve(yaml.ScalarNode, str(number), (True, False))  # type: ignore[no-untyped-call]
    return dumper.represent_scalar(tag, str(number)) if tag in _NUMBER_TAGS else _represent_text(dumper, number)


_Dumper.add_representer(_Number, _represent_number)
_Dumper.add_representer(str, _represent_text)


def _numbers_marked(value: Any, *, is_number: bool = False) -> Any:
    if isinstance(value, Mapping) and "value" in value:  # a category with a label
        return {**value, "value": _numbers_marked(value["value"], is_number=is_number)}
    if isinstance(value, Mapping):
        numeric = value.get("type") in {"integer", "number"}
        return {
            key: _numbers_marked(inner, is_number=key in _NUMBER_KEYS or (numeric and key == "categories"))
            for key, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_numbers_marked(inner, is_number=is_number) for inner in value]
    return _Number(value) if is_number and isinstance(value, str) else value
