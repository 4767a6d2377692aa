"""The peers and their virtual environments, which live outside of the project."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Peer:
    """One package of other people.

    Attributes:
        name: the package.
        short: how its systems are called on the command line.
        version: the version that is installed.
        runner: the script, beside this file, that its environment executes.
        installs: what is installed, step by step; the order matters, the versions are pinned.
        algorithms: its algorithms, each with the generator of this project that it is compared with.
    """

    name: str
    short: str
    version: str
    runner: str
    installs: tuple[tuple[str, ...], ...]
    algorithms: Mapping[str, str]


PEERS = (
    Peer(
        name="dpmm",
        short="dpmm",
        version="0.1.9",
        runner="dpmm_runner.py",
        installs=(("dpmm==0.1.9",),),
        algorithms={"aim": "aim", "mst": "mst", "privbayes": "mst"},
    ),
    Peer(
        name="smartnoise-synth",
        short="smartnoise",
        version="1.0.8",
        runner="smartnoise_runner.py",
        # CPU torch first, so that nothing pulls in another build; `packaging` is used but not declared.
        installs=(("torch==2.13.0",), ("smartnoise-synth==1.0.8", "packaging")),
        algorithms={"aim": "aim", "mst": "mst", "mwem": "mwem", "mwem-split3": "mwem"},
    ),
)

ATTACKING_PEERS = (
    Peer(
        name="anonymeter",
        short="anonymeter",
        version="1.1.0",
        runner="anonymeter_timer.py",
        installs=(("anonymeter==1.1.0",),),
        algorithms={"inference": "attribute-inference", "singling out": "singling-out", "linkability": "linkability"},
    ),
    Peer(
        name="sdmetrics",
        short="sdmetrics",
        version="0.32.0",
        runner="sdmetrics_timer.py",
        installs=(("sdmetrics==0.32.0",),),
        algorithms={"DCROverfittingProtection": "nearest-neighbour", "NewRowSynthesis": "exact-match"},
    ),
)
"""Packages that judge tables; `algorithms` names what they measure, each with the attack of this project."""


def default_folder() -> Path:
    """Return where environments are made unless the user says otherwise: the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "dpsynth-benchmarks"


def python_of(peer: Peer, folder: Path) -> Path:
    """Return the Python of a peer's environment; makes the environment first if there is none."""
    place = folder / peer.name
    python, mark = place / "bin" / "python", place / "installed"
    wanted = repr(peer.installs)
    if not (mark.exists() and mark.read_text(encoding="utf-8") == wanted):
        sys.stderr.write(f"installing {peer.name} {peer.version}\n")
        venv.create(place, with_pip=True)
        for packages in peer.installs:
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)  # noqa: S603
        mark.write_text(wanted, encoding="utf-8")
    return python
