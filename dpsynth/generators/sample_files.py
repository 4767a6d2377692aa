"""Synthetic rows to a file of any length: balanced where they are few enough, else a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpsynth.generators.balanced_sample import balanced_sample, is_balanced
from dpsynth.generators.base import FittedSynthesizer
from dpsynth.progress import phase
from dpsynth.schema.table import spread_seed_from


def write_samples(
    model: FittedSynthesizer,
    path: str | Path,
    rows: int,
    *,
    rng: np.random.Generator,
    given: Mapping[str, object] | None = None,
) -> None:
    """Write `rows` synthetic rows as CSV or Parquet, in memory that is bounded, however many they are.

    The file holds the rows that `balanced_sample(model, rows, rng=rng, given=given)` has. It is there completely or not
    at all, after an interrupt too.

    Args:
        model: a fitted generator.
        path: the file, its name ending in `.csv` or `.parquet`; one that exists is replaced.
        rows: how many.
        rng: public randomness.
        given: conditions by column; see `FittedSynthesizer.sample`.

    Raises:
        InvalidInput: `rows` is negative, `given` is not in the schema or impossible, or the extension is another.
        BundleError: the file cannot be written.

    Privacy: post-processing; nothing is charged, whatever the number of rows. No certificate speaks of these rows.
    """
    from dpsynth.schema.table_files import write_codes

    chunks: Iterable[NDArray[np.int32]]
    if is_balanced(model.schema, rows):
        table = balanced_sample(model, rows, rng=rng, given=given)
        spread_seed, chunks = table.spread_seed, [table.codes]
    else:
        spread_seed = spread_seed_from(rng)
        chunks = model.sample_chunks(rows, rng=rng, given=given)
    with phase("sample and write", rows) as advance:
        write_codes(model.schema, _watched(chunks, advance), spread_seed, path)


def _watched(chunks: Iterable[NDArray[np.int32]], advance: Callable[[int], None]) -> Iterator[NDArray[np.int32]]:
    """Yield `chunks`, reporting each once it has been dealt with."""
    for chunk in chunks:
        yield chunk
        advance(len(chunk))
