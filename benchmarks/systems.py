"""The systems by name: generators of this project, peers, and references that are not private."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.own_runner import VARIANTS
from benchmarks.peers.environments import PEERS, Peer, python_of
from benchmarks.surroundings import source_version
from benchmarks.tables.base import PROJECT
from dpsynth.generators.registry import GENERATORS

REFERENCES = {
    "resampled": "resampled, not private",
    "exact-within-groups": "columns exact within groups, not private",
}
"""What is no system, and how the page calls it."""


@dataclass(frozen=True, slots=True)
class System:
    """One system.

    Attributes:
        name: what the command line calls it.
        algorithm: the name of the algorithm inside the system.
        version: what was run.
        command: returns program and arguments before the run's folder, given the folder of the environments.
        counterpart: the generator of this project whose time it is compared with.
        is_own: whether it gets cells and a schema.
    """

    name: str
    algorithm: str
    version: str
    command: Callable[[Path], list[str]]
    counterpart: str | None = None
    is_own: bool = False


def systems() -> dict[str, System]:
    """Return all systems by name, own ones first."""
    own = [
        System(entry, entry, source_version(), lambda _: _own_command("own_runner"), is_own=True)
        for entry in (*(listed.name for listed in GENERATORS), *VARIANTS)
    ]
    references = [System(name, name, "1", lambda _: _own_command("resampling_runner")) for name in REFERENCES]
    peers = [
        System(f"{peer.short}-{algorithm}", algorithm, peer.version, _peer_command(peer), counterpart=counterpart)
        for peer in PEERS
        for algorithm, counterpart in peer.algorithms.items()
    ]
    return {system.name: system for system in [*own, *references, *peers]}


def _own_command(runner: str) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.{runner}"]


def _peer_command(peer: Peer) -> Callable[[Path], list[str]]:
    script = str(PROJECT / "benchmarks" / "peers" / peer.runner)
    return lambda folder: [str(python_of(peer, folder)), script]
