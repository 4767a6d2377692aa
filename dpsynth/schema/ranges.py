"""From declared bounds, bin edges and spikes to a cut number line or time line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal, TypeAlias

from dpsynth.schema.bins import Bins, edged_bins, equal_bins, subdivided
from dpsynth.schema.cells import number_in
from dpsynth.schema.document import PRIVATE_QUANTILES, PRIVATE_TREE, FieldDocument
from dpsynth.schema.faults import Faults
from dpsynth.schema.merging import DeclaredGroups, DensityTree, EqualMass, Merging
from dpsynth.schema.moment_axis import MomentAxis, moment_text, seconds_in
from dpsynth.schema.number_axis import NumberAxis
from dpsynth.schema.yaml_source import Path

MOST_SINGLE_NUMBERS = 32
"""A whole-number column without `bins` has one code per number where there are no more than this."""

DEFAULT_BINS = 16
"""The number of bins where the schema does not say one."""

_Reader: TypeAlias = Callable[[str], float | None]

_MINIMUM: Path = ("constraints", "minimum")
_MAXIMUM: Path = ("constraints", "maximum")
_BINS: Path = ("dpsynth", "bins")
_SPIKES: Path = ("dpsynth", "spikes")
_DAY = 86_400
_PROBE = datetime(2001, 11, 23, 13, 14, 15)  # noqa: DTZ001 - only its digits matter


DEFAULT_CELLS = 1024
"""Cells that private bins are made of where the schema does not say."""


def number_axis(field: FieldDocument, faults: Faults, *, whole: bool) -> tuple[NumberAxis, Merging | None] | None:
    """Return the cut number line that `field` declares and how its codes are merged, or None where that is wrong.

    Raises:
        InvalidInput: bounds and bins that make no cut.
    """

    def read(text: str) -> float | None:
        return number_in(text) if is_number(text, whole=whole) else None

    bins = _declared_bins(field, faults, read, "a whole number" if whole else "a number", whole=whole)
    if bins is None:
        return None
    bins, merging = _merged(field, bins)
    return NumberAxis(bins, "integer" if whole else "number", _clips(field), field.dpsynth.decimals), merging


def moment_axis(field: FieldDocument, faults: Faults) -> tuple[MomentAxis, Merging | None] | None:
    """Return the cut time line that `field` declares and how its codes are merged, or None where that is wrong.

    Raises:
        InvalidInput: bounds and bins that make no cut.
    """
    storage: Literal["date", "datetime"] = "date" if field.type == "date" else "datetime"
    pattern = None if field.format in {None, "default"} else field.format
    finest = _finest_unit(pattern)
    if finest is None:
        faults.add(
            ("format",),
            "must be `default` or a strptime pattern that holds year, month and day, and for times at least the hour, "
            "without a zone: what is written must be the same when it is read back",
        )
        return None
    unit = _DAY if storage == "date" else finest

    def read(text: str) -> float | None:
        moment = seconds_in(text, pattern)
        if moment is None:
            moment = seconds_in(text, None)
        return None if moment is None else moment.seconds // unit

    bins = _declared_bins(field, faults, read, "a date such as 2020-01-31", whole=True)
    if bins is None:
        return None
    for end in (bins.lows[0], bins.highs[-1]):
        back = seconds_in(moment_text(int(end) * unit, storage, pattern), pattern)
        if back is None or back.seconds != int(end) * unit:
            faults.add(("format",), "the pattern cannot write the whole range, for example not its century")
            return None
    bins, merging = _merged(field, bins)
    return MomentAxis(bins, storage, _clips(field), unit, pattern), merging


def is_number(text: str, *, whole: bool) -> bool:
    """Return whether `text` spells a finite number, a whole one if `whole`."""
    number = number_in(text)
    return number is not None and abs(number) < float("inf") and (not whole or number.is_integer())


def _clips(field: FieldDocument) -> bool:
    return field.dpsynth.outside in {None, "clip"}


def _declared_bins(field: FieldDocument, faults: Faults, read: _Reader, wanted: str, *, whole: bool) -> Bins | None:
    """Return the cut; `read` takes a text to its place on the line, `wanted` says what it accepts."""
    spikes = _read_all(_SPIKES, field.dpsynth.spikes, faults, read, wanted)
    minimum = _read_bound(_MINIMUM, field.constraints.minimum, faults, read, wanted)
    maximum = _read_bound(_MAXIMUM, field.constraints.maximum, faults, read, wanted)
    bins = field.dpsynth.bins
    if isinstance(bins, tuple):
        edges = _read_all(_BINS, bins, faults, read, wanted)
        if not faults.none():
            return None
        for path, bound, edge in ((_MINIMUM, minimum, edges[:1]), (_MAXIMUM, maximum, edges[-1:])):
            if bound is not None and [bound] != edge:
                faults.add(path, "differs from the outermost bin edge; give one of them")
        return edged_bins(edges, spikes, whole=whole)
    for path, text in ((_MINIMUM, field.constraints.minimum), (_MAXIMUM, field.constraints.maximum)):
        if text is None:
            faults.add(path, "is missing: give it from public knowledge, or list bin edges")
    if minimum is None or maximum is None or not faults.none():
        return None
    if isinstance(bins, str):
        return equal_bins(minimum, maximum, field.dpsynth.cells or DEFAULT_CELLS, spikes, whole=whole)
    few = field.type == "integer" and maximum - minimum < MOST_SINGLE_NUMBERS
    default = MOST_SINGLE_NUMBERS if few else DEFAULT_BINS
    return equal_bins(minimum, maximum, default if bins is None else bins, spikes, whole=whole)


def _merged(field: FieldDocument, bins: Bins) -> tuple[Bins, Merging | None]:
    """Return the cut that cells are coded in, finer than the declared one if need be, and how its codes are merged."""
    rule = field.dpsynth.bins
    if isinstance(rule, str):
        return bins, DensityTree() if rule == PRIVATE_TREE else EqualMass(int(rule.removeprefix(PRIVATE_QUANTILES)))
    if field.dpsynth.spread == "private-histogram":
        finer, groups = subdivided(bins, field.dpsynth.cells or DEFAULT_CELLS)
        return finer, DeclaredGroups(groups) if finer.size > bins.size else None
    return bins, None


def _read_bound(path: Path, text: str | None, faults: Faults, read: _Reader, wanted: str) -> float | None:
    number = None if text is None else read(text)
    if text is not None and number is None:
        faults.add(path, f"'{text}' is not {wanted}")
    return number


def _read_all(path: Path, texts: Sequence[str], faults: Faults, read: _Reader, wanted: str) -> list[float]:
    numbers = []
    for place, text in enumerate(texts):
        number = read(text)
        if number is None:
            faults.add((*path, place), f"'{text}' is not {wanted}")
        else:
            numbers.append(number)
    return numbers


def _finest_unit(pattern: str | None) -> int | None:
    """Return the seconds of the finest unit that `pattern` writes and reads back, None if that is not even a day."""
    if pattern is None:
        return 1
    try:
        back = datetime.strptime(_PROBE.strftime(pattern), pattern)  # noqa: DTZ007 - a zone fails the comparison
    except ValueError:
        return None
    kept = {
        1: _PROBE,
        60: _PROBE.replace(second=0),
        3600: _PROBE.replace(minute=0, second=0),
        _DAY: _PROBE.replace(hour=0, minute=0, second=0),
    }
    return next((unit for unit, moment in kept.items() if back == moment), None)
