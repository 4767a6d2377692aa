"""What a reader needs to know to repeat a run: versions, commit, machine; never the name of one."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from benchmarks.tables.base import PROJECT
from dpsynth import __version__


@cache
def source_version() -> str:
    """Return version and digest of the package's source: it changes when code changes, not when a page does."""
    digest = hashlib.sha256()
    for module in sorted((PROJECT / "dpsynth").rglob("*.py")):
        digest.update(module.relative_to(PROJECT).as_posix().encode() + b"\0" + module.read_bytes())
    return f"{__version__}:{digest.hexdigest()[:12]}"


def surroundings() -> dict[str, object]:
    """Return time, commit, Python, machine and threads."""
    asked = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    commit = subprocess.run(asked, cwd=PROJECT, capture_output=True, text=True, check=False)  # noqa: S603
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "threads": os.environ.get("OMP_NUM_THREADS", "not set"),
    }


def _processor() -> str:
    """Return the kind of processor, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
