"""A reported epsilon is rounded up, at the fourth decimal, by one function; nobody else rounds one.

Looked for are the ways in which Python rounds a number at some decimal, applied to something that is called epsilon.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source_tree import PACKAGE, modules, shown, tree_of

PLACE = "accounting/budget.py"
MEASURED = {"epsilon_lower", "refutable_epsilon"}  # what an attack shows at least; no cost, and shown as it was found
PLANTED = [
    "x = round(epsilon, 4)",
    "x = math.ceil(found.pld_epsilon * 10_000) / 10_000",
    "x = math.ceil(epsilon * 10**4)",
    "x = np.ceil(1e4 * epsilons)",
    "x = epsilon.quantize(Decimal('0.0001'))",
    "x = f'{epsilon:.2f}'",
    "x = format(budget.epsilon, '.3f')",
    "x = '%.3f' % epsilon",
    "def epsilon_rounded_up(epsilon): ...",
]
FINE = [
    "x = epsilon_rounded_up(epsilon)",
    "x = f'{epsilon:.6g}'",
    "x = round(noise, 4)",
    "x = math.ceil(epsilon / spacing)",
    "x = f'{epsilon.normalize():f}'",
]


def speaks_of_epsilon(node: ast.AST) -> bool:
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    names |= {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}
    return any("epsilon" in name for name in names - MEASURED)


def is_ten_thousand(node: ast.AST) -> bool:
    try:
        return bool(eval(compile(ast.Expression(node), "", "eval"), {"__builtins__": {}}) == 10_000)  # type: ignore[arg-type]
    except Exception:  # it is no constant
        return False


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def has_decimals(text: object) -> bool:
    return isinstance(text, str) and text.rstrip("}'\" ").endswith("f") and "." in text


def rounds(node: ast.AST) -> bool:
    """Return whether `node` rounds something that is called epsilon at a decimal."""
    match node:
        case ast.FunctionDef(name=name):
            return name == "epsilon_rounded_up"
        case ast.FormattedValue(value=value, format_spec=ast.JoinedStr(values=[ast.Constant(value=specification)])):
            return speaks_of_epsilon(value) and has_decimals(specification)
        case ast.BinOp(left=ast.Constant(value=template), op=ast.Mod(), right=value):
            return speaks_of_epsilon(value) and has_decimals(template)
        case ast.Call() if called(node) == "format" and len(node.args) == 2:
            return speaks_of_epsilon(node.args[0]) and has_decimals(getattr(node.args[1], "value", None))
        case ast.Call() if called(node) == "quantize":
            return speaks_of_epsilon(node)
        case ast.Call() if called(node) == "round":
            return len(node.args) == 2 and speaks_of_epsilon(node.args[0])
        case ast.Call() if called(node) in {"ceil", "floor", "trunc", "int", "rint"}:
            return speaks_of_epsilon(node) and any(is_ten_thousand(part) for part in ast.walk(node))
    return False


def found_in(tree: ast.AST) -> Iterator[int]:
    yield from (getattr(node, "lineno", 0) for node in ast.walk(tree) if rounds(node))


def test_one_function_rounds_epsilon() -> None:
    found = {f"{shown(module)}:{line}" for module in modules(PACKAGE) for line in found_in(tree_of(module))}
    assert found
    assert {place for place in found if PLACE not in place} == set()


@pytest.mark.parametrize("source", PLANTED)
def test_a_second_place_would_be_seen(source: str) -> None:
    assert list(found_in(ast.parse(source)))


@pytest.mark.parametrize("source", FINE)
def test_what_does_not_round_at_a_decimal_is_let_through(source: str) -> None:
    assert not list(found_in(ast.parse(source)))
