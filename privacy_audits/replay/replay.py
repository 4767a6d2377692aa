"""Runs on a table and again on its neighbor, with the answers of the first run, and says what differs."""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import DpEvent
from dpsynth.curator import Curator
from dpsynth.ledger import Ledger
from dpsynth.progress import reporting_to
from dpsynth.randomness import NoiseSource, SeededNoise
from dpsynth.schema.schema import Schema
from privacy_audits.replay.scenes import Scene
from privacy_audits.replay.witness import Diverged, Moved, Release, Witness, unpaid

BUDGET = PrivacyBudget(2, "1e-5")
LEDGER = PrivacyBudget(40, "3e-5")
EVENT_DELTA = "1e-5"

_SAMPLES = (30, 2000)
"""Rows of the tables that are compared; a generator may keep what it knows for large ones."""

Door = Callable[[pd.DataFrame, Schema, Ledger, NoiseSource], Curator]
"""Opens a table; a twin may open it otherwise than the front door does."""

Published = tuple[bytes, tuple[tuple[str, DpEvent], ...]]
"""What a run publishes, as bytes, and what it was charged."""

Run = Callable[[pd.DataFrame, Schema, Ledger, NoiseSource], Published]
"""One run on one table."""


@dataclass(frozen=True, eq=False)
class Seen:
    """One run, with everything that may not depend on rows except through answers.

    Attributes:
        releases: what passed the gate.
        public: everything else that anybody sees: what is published, raised, warned of, told to who waits, and booked.
        faults: what is wrong with this run alone.
    """

    releases: Sequence[Release]
    public: dict[str, Any]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Replayed:
    """What one replay found.

    Attributes:
        differences: in sentences; none for an honest implementation, whatever the tables.
        queries: how many were compared.
        moved: the furthest that any of them moved, over what was declared, in three norms.
    """

    differences: tuple[str, ...]
    queries: int
    moved: Moved


@dataclass
class _Phases:
    """What somebody who waits is told."""

    told: list[tuple[str, int]] = field(default_factory=list)

    def start(self, phase: str, total: int) -> None:
        self.told.append((phase, total))

    def advance(self, phase: str, steps: int) -> None:
        self.told.append((phase, steps))

    def finish(self, phase: str) -> None:
        self.told.append((phase, 0))


def front_door(table: pd.DataFrame, schema: Schema, ledger: Ledger, noise: NoiseSource) -> Curator:
    """Open `table` as every release does."""
    return Curator.open(table, schema, ledger=ledger, noise=noise)


def fit_of(generator: Any, door: Door = front_door) -> Run:
    """Return what fits `generator` and publishes samples, error bars, answers and the saved model."""

    def run(table: pd.DataFrame, schema: Schema, ledger: Ledger, noise: NoiseSource) -> Published:
        curator = door(table, schema, ledger, noise)
        model = generator.fit(curator, BUDGET, rng=np.random.default_rng(0))
        digest = hashlib.sha256(repr(float(model.total)).encode())
        for rows in _SAMPLES:
            made = model.sample(rows, rng=np.random.default_rng(0))
            digest.update(made.codes.tobytes())
            # What is spread inside of bins follows from the seed.
            digest.update(repr((made.spread_seed, sorted(made.provenance.items()))).encode())
        digest.update(repr(model.error_bars(made, rng=np.random.default_rng(0))).encode())
        for answer in model.measurements:
            digest.update(repr((answer.clique, answer.stddev)).encode() + answer.counts.tobytes())
        with tempfile.TemporaryDirectory() as folder:
            model.save(Path(folder) / "model")
            for file in sorted(Path(folder).rglob("*")):
                digest.update(file.name.encode() + (file.read_bytes() if file.is_file() else b""))
        return digest.digest(), curator.charged

    return run


def watched(run: Run, table: pd.DataFrame, schema: Schema, frozen: Sequence[Release] | None = None) -> Seen:
    """Return what is seen of one run.

    Coins that decide about units come from one stream that gives the first units the same coins in both worlds, so
    that batches, kept rows and teachers of everybody else agree; what a mechanism draws does not come from it.
    """
    ledger = Ledger("sqlite://")
    ledger.set_budget(schema.dataset, LEDGER, unit=schema.unit.describe(), event_delta=EVENT_DELTA)
    witness, phases = Witness(frozen), _Phases()
    published, charged, raised = b"", None, ""
    with warnings.catch_warnings(record=True) as warned, witness.watching(), reporting_to(phases):
        warnings.simplefilter("always")
        try:
            published, charged = run(table, schema, ledger, SeededNoise(1))
        except Diverged as other:
            return Seen(witness.releases, {}, (f"other control flow: {other}",))
        except Exception as error:  # noqa: BLE001 - that it was raised, and what it says, are answers
            raised = f"{type(error).__name__}: {error}"
    faults = [f"{name} drew noise beside the gate" for name in sorted(set(witness.beside))]
    if frozen is None and (raised or not witness.releases):
        faults.append(f"nothing was audited: {raised or 'no answer passed the gate'}")
    if charged is not None:
        faults += unpaid(witness.releases, charged)
    public = {
        "what is published": published,
        "what is raised": raised,
        "what is warned of": [str(warning.message) for warning in warned],
        "what who waits is told": phases.told,
        "what the ledger says": list(_booked(ledger)),
    }
    return Seen(witness.releases, public, tuple(faults))


def replayed(run: Run, scenes: Sequence[Scene]) -> Iterator[tuple[Scene, Replayed]]:
    """Run on the smaller table of each scene and replay on the larger one.

    Scenes next to each other with the same smaller table share the first run.
    """
    first: Seen | None = None
    shared: pd.DataFrame | None = None
    for scene in scenes:
        if first is None or shared is None or not _same(shared, scene.smaller):
            first, shared = watched(run, scene.smaller, scene.schema), scene.smaller
        yield scene, _compared(first, watched(run, scene.larger, scene.schema, first.releases))


def _compared(one: Seen, other: Seen) -> Replayed:
    differences = [*one.faults, *other.faults]
    pairs = list(zip(one.releases, other.releases, strict=False))
    moved = [Moved.between(*pair) for pair in pairs]
    differences += [
        f"'{pair[0].purpose}' moved by {move.largest:.4g} times what was declared"
        for pair, move in zip(pairs, moved, strict=True)
        if move.largest > 1
    ]
    if other.public:
        if len(one.releases) != len(other.releases):
            differences.append(f"{len(one.releases)} answers were asked for, and {len(other.releases)}")
        differences += [f"{name} differs" for name in one.public if one.public[name] != other.public[name]]
    furthest = Moved(
        max((move.l1 for move in moved), default=0.0),
        max((move.squared_l2 for move in moved), default=0.0),
        max((move.linf for move in moved), default=0.0),
    )
    return Replayed(tuple(dict.fromkeys(differences)), len(pairs), furthest)


def _same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    if one is other:
        return True
    return list(one.columns) == list(other.columns) and repr(one.to_numpy().tolist()) == repr(other.to_numpy().tolist())


def _booked(ledger: Ledger) -> Iterator[tuple[Any, ...]]:
    for entry in ledger.entries():
        yield entry.kind, entry.purpose, entry.event, entry.asked, entry.unit
