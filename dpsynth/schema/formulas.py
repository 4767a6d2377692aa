"""Text that a spreadsheet would run as a formula, made inert, and read back.

A cell such as `=cmd|...` in a CSV file is executed when someone opens the file in a spreadsheet. Text that starts with
one of `= + - @`, a tab or a carriage return, also behind blanks and quotes, gets an apostrophe in front. Numbers stay
as they are.
"""

from __future__ import annotations

import math

from dpsynth.schema.cells import number_in

_STARTS = frozenset("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
_SKIPPED = " \n\x0b\x0c\x00\"'`\u00a0\u200b\ufeff\u2018\u2019\u201c\u201d\u3000"


def made_inert(text: str) -> str:
    """Return `text`, with an apostrophe in front where a spreadsheet could take it for a formula."""
    if text.lstrip(_SKIPPED)[:1] not in _STARTS or not text:
        return text
    number = number_in(text)
    return text if number is not None and math.isfinite(number) and text[0] not in "\t\r" else "'" + text


def as_declared(text: str) -> str:
    """Return the text that `made_inert` turned into `text`, or `text` itself."""
    return text[1:] if text.startswith("'") and made_inert(text[1:]) == text else text
