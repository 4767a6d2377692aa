"""A ledger in a notebook: everything is there, escaped, and nothing is fetched."""

from __future__ import annotations

import re
from fractions import Fraction
from html.parser import HTMLParser

from dpsynth.accounting.events import GdpEvent
from dpsynth.ledger import Ledger
from tests.oversight.spending import reserve, spend


class Balance(HTMLParser):
    """Counts what is opened and never closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_notebook_shows_budget_releases_and_remarks(ledger: Ledger) -> None:
    for number in range(13):
        spend(ledger, "patients", f"release-{number}", "1/1000")
    ledger.note("patients", "exported", release_id="release-12")
    page = ledger._repr_html_()
    assert page is not None
    for text in (
        "patients",
        "epsilon 2, delta 1e-05",
        "release-12",
        "exported",
        "and 3 earlier releases",
        "of the budget",
    ):
        assert text in page
    parsed = Balance()
    parsed.feed(page)
    assert parsed.open == []
    assert parsed.seen & {"script", "link", "img", "iframe", "object"} == set()
    assert not re.search(r"https?:|url\(|@import|src=", page)


def test_what_people_wrote_is_escaped(ledger: Ledger) -> None:
    event = GdpEvent(Fraction(1, 100))
    reserve(ledger, "patients", "<script>1</script>", event, purpose='"><img src=x onerror=alert(1)>')
    ledger.note("staff", "</style><script>alert(2)</script>")
    page = ledger._repr_html_() or ""
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(2)" in page


def test_an_empty_and_a_closed_ledger_say_so() -> None:
    ledger = Ledger("sqlite://")
    assert "nothing is recorded yet" in (ledger._repr_html_() or "")
    ledger.close()
    assert "was closed" in (ledger._repr_html_() or "")


def test_colours_are_readable_on_white_and_on_black_paper() -> None:
    """The two words in colour keep a contrast of 3 (large or bold text, WCAG 2.2) with both papers."""
    from dpsynth.oversight.page import fragment

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    colours = re.findall(r"[ ;{]color: (#\w{6})", fragment(""))
    assert len(colours) == 2
    for colour in colours:
        assert 1.05 / (luminance(colour) + 0.05) >= 3
        assert (luminance(colour) + 0.05) / (luminance("#111111") + 0.05) >= 3
