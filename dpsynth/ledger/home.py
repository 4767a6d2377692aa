"""Where this user keeps what outlives a release: keys, the ledger, and what is remembered about ledgers elsewhere."""

from __future__ import annotations

import os
from pathlib import Path


def default_home() -> Path:
    """Return the folder for what outlives a release: $DPSYNTH_HOME, else `dpsynth` in the user's XDG data folder."""
    chosen = os.environ.get("DPSYNTH_HOME")
    if chosen:
        return Path(chosen).expanduser()
    data = os.environ.get("XDG_DATA_HOME")
    base = Path(data) if data and Path(data).is_absolute() else Path.home() / ".local" / "share"
    return base / "dpsynth"
