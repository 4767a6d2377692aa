"""The fitted form that marginal-based generators share: a graphical model with the measurements it was built from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.events import event_from_json, event_to_json
from dpsynth.curator.queries import Grouping, NoisyMarginal
from dpsynth.errors import InvalidInput
from dpsynth.generators.error_bars import ErrorBars, error_bars
from dpsynth.generators.given_values import allowed_codes
from dpsynth.generators.rehearsal import rehearse
from dpsynth.models import GraphicalModel
from dpsynth.models.array_file import packed, unpacked
from dpsynth.models.merged_column import MergedColumn
from dpsynth.schema.schema import Schema
from dpsynth.schema.table import SyntheticTable, spread_seed_from

_SAID, _NUMBERS, _MODEL = "measurements.json", "measurements.safetensors", "model.safetensors"


@dataclass(frozen=True, slots=True)
class FittedGraphicalModel:
    """A maximum-entropy model of noisy marginals.

    Attributes:
        schema: the schema that it generates.
        model: the distribution over codes.
        measurements: the noisy marginals that it was fitted to.
        merged: columns that the model holds in groups of codes, by name.
        provenance: generator name and parameters, for the table and the certificate.
    """

    schema: Schema
    model: GraphicalModel
    measurements: tuple[NoisyMarginal, ...]
    merged: Mapping[str, MergedColumn] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """The noisy estimate of the number of rows."""
        return self.model.total

    def sample(
        self, rows: int, *, rng: np.random.Generator, given: Mapping[str, object] | None = None
    ) -> SyntheticTable:
        """Return `rows` synthetic rows; see `FittedSynthesizer.sample`.

        Raises:
            InvalidInput: `rows` is negative, or `given` is not in the schema or has no chance in the model.
        """
        spread_seed = spread_seed_from(rng)
        codes = np.empty((len(self.schema.columns), max(rows, 0)), dtype=np.int32).T
        start = 0
        for chunk in self.sample_chunks(rows, rng=rng, given=given):
            codes[start : start + len(chunk)] = chunk
            start += len(chunk)
        return SyntheticTable(
            schema=self.schema, codes=codes, spread_seed=spread_seed, provenance=dict(self.provenance)
        )

    def sample_chunks(
        self, rows: int, *, rng: np.random.Generator, given: Mapping[str, object] | None = None
    ) -> Iterator[NDArray[np.int32]]:
        """Return the codes of `rows` synthetic rows in pieces; see `FittedSynthesizer.sample_chunks`.

        Counts of the model's nodes are rounded once for all pieces. Codes within a merged group are rounded in each
        piece, unbiased and by less than one, so over c pieces their rounding has a standard deviation of sqrt(c) / 2.

        Raises:
            InvalidInput: `rows` is negative, or `given` is not in the schema or has no chance in the model.
        """
        if rows < 0:
            raise InvalidInput(f"the number of synthetic rows must be at least 0, not {rows}")
        allowed, merged = allowed_codes(self.schema, given or {}), dict(self.merged)
        evidence: dict[str, NDArray[np.bool_] | NDArray[np.float64]] = dict(allowed)
        for name in allowed.keys() & merged.keys():
            evidence[name], merged[name] = merged[name].chances(allowed[name]), merged[name].restricted(allowed[name])
        chunks = self.model.sample_chunks(rows, rng, evidence)
        if self.model.domain == self.schema.domain and not merged and not self.schema.constraints:
            return chunks
        return self._told_apart(chunks, merged, rng)

    def _told_apart(
        self, chunks: Iterable[NDArray[np.int32]], merged: Mapping[str, MergedColumn], rng: np.random.Generator
    ) -> Iterator[NDArray[np.int32]]:
        """Yield the columns of the schema: coarser versions are a help to the fit, and groups stand for codes."""
        domain = self.schema.domain
        shown = [self.model.domain.position(name) for name in domain.names]
        for chunk in chunks:
            codes = chunk[:, shown]
            for name, column in merged.items():
                place = domain.position(name)
                codes[:, place] = column.draw(codes[:, place], rng)
            self.schema.constraints.require_obeyed(codes)
            yield codes

    def error_bars(self, table: SyntheticTable, *, rng: np.random.Generator | None = None) -> ErrorBars:
        """Return the error bars of a table that this model made; see `FittedSynthesizer.error_bars`."""
        source = np.random.default_rng() if rng is None else rng
        return error_bars(table, rehearse(self.schema, self.model, self.measurements, rng=source))

    def save(self, folder: str | Path) -> None:
        """Write schema, model and measurements into the new folder `folder`, without pickle.

        Raises:
            InvalidInput: the folder exists already.
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            raise InvalidInput(f"{folder} exists already; name a new folder") from None
        (folder / "schema.yaml").write_text(self.schema.to_yaml(), encoding="utf-8")
        self.model.save(folder / _MODEL)
        described = [
            {
                "clique": list(answer.clique),
                "stddev": answer.stddev,
                "event": event_to_json(answer.event),
                "groupings": {
                    name: {"column": coarse.column, "groups": coarse.groups}
                    for name, coarse in answer.groupings.items()
                },
            }
            for answer in self.measurements
        ]
        document = {"measurements": described, "merged": list(self.merged), "provenance": dict(self.provenance)}
        (folder / _SAID).write_text(json.dumps(document, indent=1), encoding="utf-8")
        arrays: dict[str, NDArray[Any]] = {
            f"counts{place}": answer.counts for place, answer in enumerate(self.measurements)
        }
        for place, column in enumerate(self.merged.values()):
            arrays |= {f"groups{place}": column.groups, f"shares{place}": column.shares}
        (folder / _NUMBERS).write_bytes(packed({}, arrays))


def load_fitted_model(folder: str | Path) -> FittedGraphicalModel:
    """Return the model that `FittedGraphicalModel.save` wrote into `folder`; unpickles nothing.

    Raises:
        InvalidInput: there is none, or it is damaged.
    """
    folder = Path(folder)
    if not (folder / _SAID).is_file():
        raise InvalidInput(f"{folder} holds no saved model")
    try:
        document = json.loads((folder / _SAID).read_text(encoding="utf-8"))
        _, arrays = unpacked((folder / _NUMBERS).read_bytes(), name=_NUMBERS)
        measurements = tuple(
            NoisyMarginal(
                clique=tuple(part["clique"]),
                counts=arrays[f"counts{place}"],
                stddev=float(part["stddev"]),
                event=event_from_json(part["event"]),
                groupings={
                    name: Grouping(coarse["column"], tuple(coarse["groups"]))
                    for name, coarse in part["groupings"].items()
                },
            )
            for place, part in enumerate(document["measurements"])
        )
        merged = {
            name: MergedColumn(arrays[f"groups{place}"], arrays[f"shares{place}"])
            for place, name in enumerate(document["merged"])
        }
        provenance = dict(document["provenance"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InvalidInput(f"{folder} holds a saved model that is damaged, or of another version of dpsynth") from None
    return FittedGraphicalModel(
        schema=Schema.from_yaml(folder / "schema.yaml"),
        model=GraphicalModel.load(folder / _MODEL),
        measurements=measurements,
        merged=merged,
        provenance=provenance,
    )
