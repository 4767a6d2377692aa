"""Docstrings keep to the signature, name real errors and say what is charged."""

from __future__ import annotations

import ast
import builtins
import inspect
import re

from dpsynth import errors
from tests.architecture.source_tree import PACKAGE, modules, public_functions, shown, tree_of

SECTIONS = ("Args", "Attributes", "Example", "Examples", "Note", "Privacy", "Raises", "Returns", "Source", "Yields")
ENTRY = re.compile(r"^    (\*{0,2}\w+)(?: \([^)]*\))?:", re.MULTILINE)

FUNCTIONS = [(f"{shown(module)}:{name}", function) for module, name, function in public_functions()]


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


def test_documented_arguments_are_those_of_the_signature() -> None:
    wrong = {}
    for name, function in FUNCTIONS:
        documented = {entry.lstrip("*") for entry in ENTRY.findall(section(documentation_of(function), "Args"))}
        if documented and documented != parameters_of(function):
            wrong[name] = documented ^ parameters_of(function)
    assert wrong == {}


def test_documented_errors_exist() -> None:
    unknown = {
        name: entry
        for name, function in FUNCTIONS
        for entry in ENTRY.findall(section(documentation_of(function), "Raises"))
        if not hasattr(errors, entry) and not hasattr(builtins, entry)
    }
    assert unknown == {}


def test_sections_are_spelled_as_agreed() -> None:
    strange = {
        name: heading
        for name, function in FUNCTIONS
        for heading in re.findall(r"^([A-Z]\w+):\s*$", documentation_of(function), re.MULTILINE)
        if heading not in SECTIONS
    }
    assert strange == {}


def opens_the_gate(function: ast.FunctionDef) -> bool:
    """Return whether `function` itself asks the gate for an answer."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "release"
        and "gate" in ast.unparse(node.func.value).lower()
        for node in ast.walk(function)
    )


def test_whatever_asks_the_gate_says_what_is_charged() -> None:
    askers = {name: function for name, function in FUNCTIONS if opens_the_gate(function)}
    silent = [
        name
        for name, function in askers.items()
        if not re.search(r"^Privacy:", documentation_of(function), re.MULTILINE)
    ]
    assert askers
    assert silent == []


def test_every_module_says_what_it_is_for() -> None:
    assert [shown(module) for module in modules() if not ast.get_docstring(tree_of(module))] == []


def test_every_mechanism_names_its_source() -> None:
    mechanisms = [
        node
        for module in modules(PACKAGE / "mechanisms")
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.ClassDef) and node.name.endswith("Mechanism") and node.name != "Mechanism"
    ]
    assert mechanisms
    assert [node.name for node in mechanisms if not re.search(r"^ *Source:", ast.unparse(node), re.MULTILINE)] == []
