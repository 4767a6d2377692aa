"""The public surface is pinned: a name enters or leaves it on purpose, with a line in the changelog."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

import dpsynth
from tests.architecture.source_tree import PROJECT

PUBLIC = [
    "MWEM",
    "Curator",
    "Independent",
    "Ledger",
    "Override",
    "PrivacyBudget",
    "Schema",
    "SyntheticTable",
    "__version__",
    "attack_table",
    "audit_ledger",
    "discover_categories",
    "export_withheld",
    "release",
    "timeline",
    "verify_release",
    "what_if",
]


def test_public_names_are_pinned() -> None:
    assert sorted(dpsynth.__all__) == sorted(PUBLIC)


def test_every_public_name_can_be_reached_and_says_what_it_is() -> None:
    for name in dpsynth.__all__:
        assert getattr(dpsynth, name).__doc__, name


def test_public_names_are_listed_by_dir() -> None:
    assert set(PUBLIC) <= set(dir(dpsynth))


@pytest.mark.parametrize("path", ["dpsynth/__init__.py", "dpsynth/oversight/__init__.py"])
def test_names_are_found_where_the_type_checker_finds_them(path: str) -> None:
    """What stands below TYPE_CHECKING is what `find_on_demand` is told."""
    tree = ast.parse((PROJECT / path).read_text(encoding="utf-8"))
    (unseen,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {one.name: node.module for node in unseen.body if isinstance(node, ast.ImportFrom) for one in node.names}
    told = [node.args[1] for node in ast.walk(tree) if isinstance(node, ast.Call) and len(node.args) == 2]
    assert [ast.literal_eval(places) for places in told] == [imported]


@pytest.mark.parametrize(
    "imports",
    [
        "import dpsynth.release, dpsynth.attack_table, dpsynth.oversight.timeline, dpsynth.oversight.what_if",
        "from dpsynth import release, attack_table, timeline, what_if; import dpsynth.release, dpsynth.attack_table",
        "from dpsynth.release import release; from dpsynth.oversight.timeline import Timeline",
    ],
)
def test_no_module_hides_a_function_of_its_name(imports: str) -> None:
    program = (
        f"{imports}\nimport dpsynth\nfrom dpsynth import oversight\n"
        "found = dpsynth.release, dpsynth.attack_table, dpsynth.timeline, oversight.what_if\n"
        "print(*(function.__name__ for function in found))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["release", "attack_table", "timeline", "what_if"]


def test_a_name_that_does_not_exist_is_refused() -> None:
    with pytest.raises(AttributeError, match="'dpsynth' has no attribute 'nothing'"):
        dpsynth.nothing  # noqa: B018


def test_a_notebook_shows_a_ledger_of_whoever_imported_nothing_else() -> None:
    program = "from dpsynth.ledger import Ledger\nprint(Ledger('sqlite://')._repr_html_()[:20])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "<" in run.stdout
