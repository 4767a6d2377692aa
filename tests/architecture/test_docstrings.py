"""Docstrings keep to the signature, name real errors and say what is charged."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
from pathlib import Path

import pytest

from dpsynth import errors
from tests.architecture.source_tree import PACKAGE, modules, public_functions, shown, tree_of

SECTIONS = ("Args", "Attributes", "Example", "Examples", "Note", "Privacy", "Raises", "Returns", "Source", "Yields")
ENTRY = re.compile(r"^    (\*{0,2}\w+)(?: \([^)]*\))?:", re.MULTILINE)

FUNCTIONS = [
    pytest.param(module, function, id=f"{shown(module)}:{name}") for module, name, function in public_functions()
]


def section(docstring: str, name: str) -> str:
    """Return the indented text of one section of a cleaned docstring, or nothing."""
    found = re.search(rf"^{name}:[ ]*\n((?:[ ]{{4}}.*\n?|\n)*)", docstring + "\n", re.MULTILINE)
    return found.group(1) if found else ""


def documentation_of(function: ast.FunctionDef) -> str:
    return inspect.cleandoc(ast.get_docstring(function) or "")


def parameters_of(function: ast.FunctionDef) -> set[str]:
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    return {parameter.arg for parameter in [*named, *filter(None, (given.vararg, given.kwarg))]} - {"self", "cls"}


@pytest.mark.parametrize(("module", "function"), FUNCTIONS)
def test_documented_arguments_exist_and_are_complete(module: Path, function: ast.FunctionDef) -> None:
    documented = {name.lstrip("*") for name in ENTRY.findall(section(documentation_of(function), "Args"))}
    if documented:
        assert documented == parameters_of(function)


@pytest.mark.parametrize(("module", "function"), FUNCTIONS)
def test_documented_errors_exist(module: Path, function: ast.FunctionDef) -> None:
    for name in ENTRY.findall(section(documentation_of(function), "Raises")):
        assert hasattr(errors, name) or hasattr(builtins, name), name


@pytest.mark.parametrize(("module", "function"), FUNCTIONS)
def test_sections_are_spelled_as_agreed(module: Path, function: ast.FunctionDef) -> None:
    for heading in re.findall(r"^([A-Z]\w+):\s*$", documentation_of(function), re.MULTILINE):
        assert heading in SECTIONS


def opens_the_gate(function: ast.FunctionDef) -> bool:
    """Return whether `function` itself asks the gate for an answer."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "release"
        and "gate" in ast.unparse(node.func.value).lower()
        for node in ast.walk(function)
    )


@pytest.mark.parametrize(
    ("module", "function"),
    [entry for entry in FUNCTIONS if opens_the_gate(entry.values[1])],  # type: ignore[arg-type]
)
def test_whatever_asks_the_gate_says_what_is_charged(module: Path, function: ast.FunctionDef) -> None:
    assert re.search(r"^Privacy:", documentation_of(function), re.MULTILINE)


@pytest.mark.parametrize("module", modules(), ids=shown)
def test_a_module_says_what_it_is_for(module: Path) -> None:
    assert ast.get_docstring(tree_of(module))


MECHANISMS = [
    pytest.param(node, id=node.name)
    for module in modules(PACKAGE / "mechanisms")
    for node in ast.walk(tree_of(module))
    if isinstance(node, ast.ClassDef) and node.name.endswith("Mechanism") and node.name != "Mechanism"
]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_mechanism_names_its_source(mechanism: ast.ClassDef) -> None:
    assert re.search(r"^ *Source:", ast.unparse(mechanism), re.MULTILINE)
