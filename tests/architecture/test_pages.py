"""Every generator and attack has a page that names its source; every page of the documentation can be reached."""

from __future__ import annotations

import re

import pytest

from dpsynth.attacks.registry import ATTACKS
from dpsynth.generators.registry import GENERATORS
from dpsynth.schema.schema import Schema
from tests.architecture.source_tree import PROJECT

DOCS = PROJECT / "docs"
PAGES = [f"generators/{entry.name}.md" for entry in GENERATORS] + [
    f"attacks/{entry.documentation}" for entry in ATTACKS.values()
]


@pytest.mark.parametrize("page", sorted(set(PAGES)))
def test_a_registered_thing_has_a_page_with_its_source(page: str) -> None:
    assert re.search(r"\bSources?\b", (DOCS / page).read_text(encoding="utf-8"))


def test_links_between_pages_lead_somewhere() -> None:
    pages = [
        PROJECT / "README.md",
        *(page for page in DOCS.rglob("*.md") if not {"_build", "_notebooks"} & set(page.parts)),
    ]
    broken = [
        f"{page.relative_to(PROJECT)} -> {target}"
        for page in pages
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists() and not target.startswith("_notebooks")
    ]
    assert broken == []


def test_the_schema_in_the_documentation_is_complete() -> None:
    page = (DOCS / "how-to" / "write-a-schema.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    schema = Schema.from_text(example, source="write-a-schema.md")
    schema.require_complete()
    assert [column.name for column in schema.columns][:2] == ["sex", "triage"]
