"""What a run is told and what it leaves behind; every runner imports this file, also in the environments of the peers.

A run has a folder: `request.json` and `training.npy` go in, `synthetic.npy` and `facts.json` come out, and perhaps a
variant. Codes are integers, shape (rows, columns). Only the standard library and numpy are needed here.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np


class Exchange:
    """One run, seen from inside: made when imports are done, because the clock starts here."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.request: dict[str, Any] = json.loads((self.folder / "request.json").read_text(encoding="utf-8"))
        seconds = int(self.request["cpu_limit"])
        # The system ends the process when it has used up its time.
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        self._start = cpu_seconds()
        self._fitted = self._start
        self._watch = time.perf_counter()

    def training(self) -> np.ndarray:
        """Return the training codes."""
        codes: np.ndarray = np.load(self.folder / "training.npy")
        return codes

    def fitted(self) -> None:
        """Note that the fit is over and sampling begins."""
        self._fitted = cpu_seconds()
        self._watch = time.perf_counter()

    def finish(self, codes: np.ndarray, *, packages: Sequence[str], **facts: Any) -> None:
        """Write the synthetic codes and what the run cost.

        Args:
            codes: synthetic codes, shape (rows, columns).
            packages: distributions whose versions matter.
            facts: what else should be known about the run.
        """
        end = cpu_seconds()
        known = {
            "cpu_seconds": end - self._start,
            "process_cpu_seconds": end,
            "fit_cpu_seconds": self._fitted - self._start,
            "sample_cpu_seconds": end - self._fitted,
            "sample_seconds": time.perf_counter() - self._watch,
            "versions": {package: version(package) for package in packages},
            **facts,
        }
        self._write("synthetic", codes)
        (self.folder / "facts.json").write_text(json.dumps(known), encoding="utf-8")

    def also(self, variant: str, codes: np.ndarray) -> None:
        """Write what the same fit gives in another way; its time counts nowhere.

        Args:
            variant: what is different, in words.
            codes: synthetic codes, shape (rows, columns).
        """
        self._write("variant", codes)
        (self.folder / "variant.json").write_text(json.dumps(variant), encoding="utf-8")

    def _write(self, name: str, codes: np.ndarray) -> None:
        np.save(self.folder / f"{name}.npy", np.asarray(codes).astype(np.int32))


def cpu_seconds() -> float:
    """Return the processor time of this process and of the processes that it started and that have ended."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)
