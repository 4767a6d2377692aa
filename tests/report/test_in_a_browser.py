"""Both pages in a headless Chromium: keyboard, phone, dark, print. Skipped, with a reason, where there is none."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from unicodedata import normalize

import pytest

from dpsynth.certification.audit import STAMP
from dpsynth.report import render_internal_report
from tests.certification.made_releases import page
from tests.report.browser import PHONE, SCREEN, Browser, browsing
from tests.report.made_audits import full_report
from tests.report.made_gates import full_certificate

PAGES = ("public", "internal")

WEAK = """
(() => {
  const channel = c => (c /= 255, c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const numbers = text => text.match(/[\\d.]+/g).map(Number);
  const paper = node => {
    for (; node; node = node.parentElement) {
      const colour = numbers(getComputedStyle(node).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const weak = new Set();
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || node.closest('.watermark, .skip')) continue;
    const style = getComputedStyle(node);
    const ink = numbers(node.closest('svg') ? style.fill : style.color);
    const [bright, dark] = [light(ink), light(paper(node))].sort((a, b) => b - a);
    if ((bright + 0.05) / (dark + 0.05) < 4.5) weak.add(walk.currentNode.textContent.trim().slice(0, 40));
  }
  return [...weak];
})()
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    made = {
        "public": page(full_certificate()),
        "internal": render_internal_report(full_report().to_json()),
    }
    for name, html in made.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in made}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("size", [PHONE, SCREEN], ids=["phone", "screen"])
def test_nothing_sticks_out_of_the_page(
    browser: Browser, pages: dict[str, Path], name: str, size: tuple[int, int]
) -> None:
    browser.open(pages[name], size=size)
    assert browser.evaluate("document.documentElement.scrollWidth") <= size[0]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("dark", "media"), [(False, ""), (True, ""), (False, "print")], ids=["light", "dark", "print"])
def test_every_word_stands_out_as_it_is_shown(
    browser: Browser, pages: dict[str, Path], name: str, dark: bool, media: str
) -> None:
    """At least 4.5 to 1 between what is shown and what is behind it (WCAG 2.2, success criterion 1.4.3)."""
    browser.open(pages[name], dark=dark, media=media)
    assert browser.evaluate(WEAK) == []


def test_a_word_that_does_not_stand_out_is_found(browser: Browser, tmp_path: Path) -> None:
    planted = tmp_path / "planted.html"
    planted.write_text("<body style='background: #fff'><p style='color: #888'>weak</p><p>strong</p>", encoding="utf-8")
    browser.open(planted)
    assert browser.evaluate(WEAK) == ["weak"]


@pytest.mark.parametrize("name", PAGES)
def test_the_keyboard_reaches_everything_and_shows_where_it_is(
    browser: Browser, pages: dict[str, Path], name: str
) -> None:
    browser.open(pages[name])
    browser.press("Tab")
    first = browser.evaluate("(e => [e.className, e.getBoundingClientRect().left >= 0])(document.activeElement)")
    assert first == ["skip", True]
    browser.press("Enter")
    assert browser.evaluate("location.hash") == "#verdict"
    seen = []
    for _ in range(60):
        browser.press("Tab")
        found = browser.evaluate(
            "(e => [e.tagName, e.getAttribute('aria-label') || e.textContent.slice(0, 30), "
            "getComputedStyle(e).outlineStyle, parseFloat(getComputedStyle(e).outlineWidth)])(document.activeElement)"
        )
        if found[0] == "BODY":
            break
        seen.append(found)
    wanted = browser.evaluate(
        "[...document.querySelectorAll('main a[href], main [tabindex=\"0\"]')].map(e => e.tagName)"
    )
    assert [tag for tag, *_ in seen] == wanted
    assert all(style == "solid" and width >= 2 for _, _, style, width in seen), seen


@pytest.mark.parametrize("name", PAGES)
def test_a_screen_reader_finds_headings_pictures_and_tables(
    browser: Browser, pages: dict[str, Path], name: str
) -> None:
    browser.open(pages[name])
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    roles = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if "role" in node]
    assert all(called for role, called in roles if role in {"heading", "image", "region"})
    assert sum(role == "image" for role, _ in roles) == browser.evaluate("document.querySelectorAll('svg').length")
    assert sum(role == "main" for role, _ in roles) == 1
    assert browser.evaluate("document.title") != ""


@pytest.mark.parametrize("name", PAGES)
def test_the_page_prints_as_text_with_whole_rows(browser: Browser, pages: dict[str, Path], name: str) -> None:
    pypdf = pytest.importorskip("pypdf", reason="no pypdf here, so no printed page was read")
    browser.open(pages[name])
    printed = pypdf.PdfReader(io.BytesIO(browser.pdf()))
    # Compatible forms, because fi is printed as one letter.
    texts = [re.sub(r"\s+", " ", normalize("NFKC", sheet.extract_text())) for sheet in printed.pages]
    assert 3 <= len(texts) <= 15
    whole = " ".join(texts)
    for heading in browser.evaluate("[...document.querySelectorAll('h2')].map(e => e.textContent)"):
        assert heading in whole
    # A sheet with hardly a word on it is a page break gone wrong; the last one may be short.
    assert all(len(text) > 250 for text in texts[:-1])
    if name == "internal":
        assert all(STAMP.upper() in text for text in texts)


def test_the_pictures_can_be_taken(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["public"], dark=True)
    assert browser.picture().startswith(b"\x89PNG")
