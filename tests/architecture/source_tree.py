"""The source of the package as the architecture tests read it: files, syntax trees, lines of code."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = PROJECT / "dpsynth"


def modules(folder: Path = PACKAGE) -> list[Path]:
    """Return every module below `folder`, sorted; a path to one module returns that module."""
    return [folder] if folder.is_file() else sorted(folder.rglob("*.py"))


def tree_of(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def shown(path: Path) -> str:
    """Return `path` as it is called in the project."""
    return path.relative_to(PROJECT).as_posix()


def docstrings(tree: ast.Module) -> Iterator[ast.Expr]:
    """Return the statements that are only a string: docstrings, those below attributes included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node


def lines_of_code(module: Path) -> int:
    """Return the number of lines that hold code: no blank lines, no comments, no docstrings."""
    text = module.read_text(encoding="utf-8")
    documentation: set[int] = set()
    for statement in docstrings(ast.parse(text)):
        documentation.update(range(statement.lineno, (statement.end_lineno or statement.lineno) + 1))
    return sum(
        1
        for number, line in enumerate(text.splitlines(), start=1)
        if number not in documentation and line.strip() and not line.strip().startswith("#")
    )


def public_functions() -> Iterator[tuple[Path, str, ast.FunctionDef]]:
    """Return (module, dotted name, syntax tree) of every public function and method, `__init__` included."""

    def inside(module: Path, body: list[ast.stmt], prefix: str) -> Iterator[tuple[Path, str, ast.FunctionDef]]:
        for node in body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield from inside(module, node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.FunctionDef) and (not node.name.startswith("_") or node.name == "__init__"):
                yield module, prefix + node.name, node

    for module in modules():
        yield from inside(module, tree_of(module).body, "")


def project_files() -> list[Path]:
    """Return the files of the project: those git knows, or all but build output where there is no repository."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode == 0 and listing.stdout:
        return [PROJECT / name for name in listing.stdout.splitlines() if (PROJECT / name).is_file()]
    outside = {".git", "build", "dist", "__pycache__", "_build", "_notebooks"}
    return [
        path
        for path in PROJECT.rglob("*")
        if path.is_file() and not any(part in outside or part.startswith(".venv") for part in path.parts)
    ]
