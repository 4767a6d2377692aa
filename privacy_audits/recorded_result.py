"""Files of results: what was counted, and on what; everything else is computed from them again."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dpsynth.certification.implementation_audits import source_digest
from dpsynth.certification.sections import software_versions
from dpsynth.certification.source_digest import source_sha256
from dpsynth.generators.registry import GENERATORS
from privacy_audits.package_version import version


@contextmanager
def recorded(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """Yield a dictionary for counts; when the context ends without an error it is written to results/`name`.json."""
    counts: dict[str, Any] = {}
    began, used = time.perf_counter(), time.process_time()
    yield counts
    content = {
        "commit": _commit(folder),
        "version": version(),
        "source_sha256": source_sha256("dpsynth.generators.registry"),
        "generators": {name: source_digest(name) for name in ("all", *(entry.name for entry in GENERATORS))},
        "software": software_versions(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "seconds": round(time.perf_counter() - began),
        "processor_seconds": round(time.process_time() - used),
        "counts": counts,
    }
    file = folder / "results" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_counts(folder: Path, name: str) -> dict[str, Any] | None:
    """Return what results/`name`.json counted; None if it is not there."""
    file = folder / "results" / f"{name}.json"
    if not file.exists():
        return None
    counts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["counts"]
    return counts


def _commit(folder: Path) -> str:
    asked = subprocess.run(
        ["git", "rev-parse", "HEAD"],  # noqa: S607 - whichever git is there
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() or "unknown"
