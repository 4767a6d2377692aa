"""Releases that lose their power before every sync in turn; run with power_cut.so preloaded, prints one line a run.

Not a test: `test_ledger_power.py` starts it in a process of its own, because a library is preloaded at the start only.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import sqlite3
import sys
from decimal import Decimal
from pathlib import Path

from dpsynth.accounting.events import ApproximateDpEvent
from dpsynth.ledger import Ledger, sqlite_store

MOST_SYNCS = 200


def at_normal(driver: sqlite3.Connection, _record: object) -> None:
    """Set what `sqlite_store` sets, but for how long a commit waits."""
    for pragma in ("foreign_keys = ON", "synchronous = NORMAL", "trusted_schema = OFF"):
        driver.execute(f"PRAGMA {pragma}")


def release(path: Path, pipe: int, held: bool) -> None:
    """Reserve, open, touch, settle; with `held`, a reader keeps the main file back meanwhile."""
    reader = sqlite3.connect(path, isolation_level=None)
    if held:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entry").fetchone()
    event = ApproximateDpEvent(Decimal("0.01"), Decimal(0))
    with Ledger(path, create=False) as ledger:
        for number in range(2):
            reservation = ledger.reserve(
                "patients",
                release_id=f"r{number}",
                purpose="fit",
                event=event,
                asked="epsilon 0.01",
                unit="one row",
                certifiable=True,
            )
            token = ledger.open(reservation)
            os.write(pipe, b"touched\n")
            ledger.settle(token, [("count", event)])
    os.write(pipe, b"finished\n")


def main(library: str, folder: Path, mode: str, held: bool) -> None:
    """Cut before the first, second, ... sync until a run has fewer; the files that survive stay in `folder`."""
    power = ctypes.CDLL(library)
    if mode == "normal":
        sqlite_store._set_pragmas = at_normal
    for cut in range(1, MOST_SYNCS):
        place = folder / f"{mode}-{held}-{cut}"
        for part in ("live", "disk"):
            shutil.copytree(folder / "base", place / part)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                os.close(reading)
                power.power_watch(
                    str(place / "live").encode(), str(place / "disk").encode(), ctypes.c_long(cut), mode == "lying"
                )
                release(place / "live" / "ledger.db", writing, held)
            os._exit(1)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            said = pipe.read().split()
        os.waitpid(child, 0)
        print(json.dumps({"disk": str(place / "disk"), "touched": said.count("touched")}), flush=True)
        shutil.rmtree(place / "live")
        if "finished" in said:
            return


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4] == "held")
