from __future__ import annotations

import re
from pathlib import Path
from types import UnionType
from typing import Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from dpsynth.certification.certificate import Certificate
from dpsynth.certification.document import CertificateDocument
from dpsynth.report.annex import ANNEX, PREAMBLE, annex_page
from tests.certification.made_releases import honest_release, page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "annex.md"
FIELDS = sorted({field for text in ANNEX for row in text.rows for field in row.fields})


def section_in(annotation: object) -> type[BaseModel] | None:
    for part in get_args(annotation) if get_origin(annotation) in {Union, UnionType} else (annotation,):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


@pytest.mark.parametrize("path", FIELDS)
def test_the_annex_names_fields_that_certificates_have(path: str) -> None:
    section: type[BaseModel] | None = CertificateDocument
    for name in path.split("."):
        assert section is not None, path
        assert name in section.model_fields, path
        section = section_in(section.model_fields[name].annotation)


def test_every_text_of_the_specification_is_there() -> None:
    titles = " ".join(text.title for text in ANNEX)
    for named in ("05/2014", "28/2024", "28 March 2025", "164.514(b)(1)", "0070", "Health Canada", "27559", "800-226"):
        assert named in titles
    assert all(row.fields and row.evidence and row.missing for text in ANNEX for row in text.rows)


def test_the_documentation_holds_the_same_annex() -> None:
    assert PAGE.read_text(encoding="utf-8") == annex_page()


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return honest_release(rows=400).certificate


def test_every_report_ends_with_it(certificate: Certificate) -> None:
    html = page(certificate)
    end = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html[html.index('id="annex"') :]))
    for said in (PREAMBLE, *(row.missing for text in ANNEX for row in text.rows)):
        assert said.replace("'", "&#39;") in end, said
