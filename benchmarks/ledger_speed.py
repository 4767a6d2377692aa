"""Seconds that a long ledger takes: to open, to verify, to append one entry, and to read what `show` prints.

Run from the root of the project: `python -m benchmarks.ledger_speed [--entries N] [--copy-of URL] [--url URL]
[--json FILE]`. The ledger is a new file in a temporary folder unless an empty one is named. It holds releases as the
package makes them: a reservation, its opening, and a settlement of several charges, half of them with noise that no
other release has. With `--copy-of` the entries of a ledger that was made so are written in place of new ones. The
opening is timed in a process that knows no entry yet.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

from benchmarks.surroundings import source_version, surroundings
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import ComposedDpEvent, DpEvent, ExponentialDpEvent, GaussianDpEvent, GdpEvent
from dpsynth.ledger import EntryKind, Ledger
from dpsynth.ledger.journal import Journal, JournalWriter
from dpsynth.ledger.statement import Charge, Statement
from dpsynth.ledger.store import open_store
from dpsynth.oversight import accounts, timeline
from dpsynth.oversight.last_view import last_view, remember_view

ENTRIES = 100_000
APPENDS = 100
DATASETS = tuple(f"data-set-{place}" for place in range(10))
UNIT = "one row, added or removed"
RESERVED = GdpEvent(Fraction(1, 10**5))


def charges_of(release: int) -> tuple[tuple[str, DpEvent], ...]:
    """Return what one release asks: three noisy tables and one choice, cheaper together than what is reserved."""
    alone = 1e4 + release / 100
    return (
        ("marginal age", GaussianDpEvent(2000.0)),
        ("marginal age, sex", GaussianDpEvent(alone)),
        ("marginal sex, work", GaussianDpEvent(4000.0)),
        ("choice of round 1", ExponentialDpEvent(Fraction(1, 2000 + release))),
    )


def fill(writer: JournalWriter, entries: int) -> None:
    """Append releases, three entries each, until there are `entries`."""
    for dataset in DATASETS:
        budget = PrivacyBudget(50, "1e-6")
        writer.append(Statement(kind=EntryKind.BUDGET, dataset=dataset, budget=budget, unit=UNIT))
    for release in range((entries - len(DATASETS)) // 3):
        said = {
            "dataset": DATASETS[release % len(DATASETS)],
            "release_id": f"release-{release:08d}",
            "purpose": "fit aim",
            "asked": "squared mu 0.00001",
            "unit": UNIT,
        }
        reserved = (Charge("fit aim", RESERVED),)
        place = writer.append(Statement(kind=EntryKind.RESERVE, charges=reserved, **said)).index
        writer.append(Statement(kind=EntryKind.OPEN, reservation=place, **said))
        spent = tuple(Charge(purpose, event) for purpose, event in charges_of(release))
        writer.append(Statement(kind=EntryKind.SETTLE, reservation=place, charges=spent, **said))


def copy(source: str, url: str) -> None:
    """Write the entries of the ledger at `source` behind one another at `url`."""
    kept = open_store(source, create=False)
    rows = kept.rows(1)
    kept.close()
    store = open_store(url, create=True)
    with store.writing() as transaction:
        for row in rows:
            transaction.append(row)
    store.close()


def witness_every_entry(url: str) -> None:
    """Let the witness know each head, as it does where each entry was written by itself."""
    store = open_store(url, create=False)
    if store.witness_path is not None:
        store.witness_path.parent.mkdir(parents=True, exist_ok=True)
        with store.witness_path.open("a", encoding="ascii") as witness:
            witness.writelines(f"\n{row.index} {row.digest}" for row in store.rows(1))
    store.close()


def sync_milliseconds(folder: Path) -> float:
    """Return the median time that the disk takes to sync 4 kB that were appended to a file."""
    taken = []
    with (folder / "synced").open("ab") as file:
        for _ in range(APPENDS):
            file.write(bytes(4096))
            file.flush()
            begun = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - begun)
    return round(1000 * statistics.median(taken), 2)


def seconds(work: Callable[[], object]) -> float:
    """Return how long `work` takes."""
    begun = time.perf_counter()
    work()
    return round(time.perf_counter() - begun, 3)


def append_seconds(ledger: Ledger) -> list[float]:
    """Return how long each of `APPENDS` transactions takes, of releases that reserve, open and settle."""
    taken = []
    for release in range(APPENDS // 3 + 1):
        begun = time.perf_counter()
        reservation = ledger.reserve(
            DATASETS[0],
            release_id=f"later-{release}",
            purpose="fit aim",
            event=RESERVED,
            asked="squared mu 0.00001",
            unit=UNIT,
            certifiable=True,
        )
        reserved = time.perf_counter()
        token = ledger.open(reservation)
        opened = time.perf_counter()
        ledger.settle(token, charges_of(release))
        taken += [reserved - begun, opened - reserved, time.perf_counter() - opened]
    return taken


def write(url: str, entries: int, source: str | None) -> None:
    """Write the ledger that is measured, or copy that at `source`."""
    if source is not None:
        copy(source, url)
        return
    journal = Journal(open_store(url, create=True))
    with journal.writing() as writer:
        fill(writer, entries)
    journal.close()


def timed(name: str, work: Callable[[], object]) -> dict[str, object]:
    """Return how long `work` takes on the clock and on a processor."""
    worked = time.process_time()
    taken = seconds(work)
    return {f"{name}_seconds": taken, f"{name}_cpu_seconds": round(time.process_time() - worked, 3)}


def in_a_new_process(url: str, entries: int, source: str | None) -> float:
    """Return the seconds of `write` in a process of its own: what it has learnt of entries, the opening has not."""
    program = f"from benchmarks.ledger_speed import write; write({url!r}, {entries}, {source!r})"
    return seconds(lambda: subprocess.run([sys.executable, "-c", program], check=True))  # noqa: S603


def run(url: str, entries: int, source: str | None) -> dict[str, object]:
    """Return the figures of a ledger of `entries` entries at `url`, which must be empty."""
    filled = in_a_new_process(url, entries, source)
    witness_every_entry(url)
    opened: list[Ledger] = []
    figures = {
        "fill_seconds" if source is None else "copy_seconds": filled,
        **timed("open", lambda: opened.append(Ledger(url))),
    }
    (ledger,) = opened
    figures |= {"entries": ledger.head().index, **timed("verify", ledger.verify)}
    remember_view(ledger)
    figures |= timed("view", lambda: last_view(url))
    worked = time.process_time()
    taken = append_seconds(ledger)
    append_work = (time.process_time() - worked) / len(taken)
    one = ComposedDpEvent(tuple(event for _, event in charges_of(0)))
    figures |= {
        "append_milliseconds_median": round(1000 * statistics.median(taken), 2),
        "append_milliseconds_largest": round(1000 * max(taken), 2),
        "append_cpu_milliseconds": round(1000 * append_work, 2),
        "show_one_seconds": seconds(lambda: accounts(ledger, DATASETS[0], last=20)),
        "show_all_seconds": seconds(lambda: accounts(ledger, last=20)),
        "show_everything_seconds": seconds(lambda: accounts(ledger)),
        "timeline_seconds": seconds(lambda: timeline(ledger)),
        "page_seconds": seconds(ledger._repr_html_),
        "entries_seconds": seconds(ledger.entries),
        "room_seconds": seconds(lambda: ledger.require_room(DATASETS[0], one, asked="one more")),
        "load": round(os.getloadavg()[0], 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    ledger.close()
    return figures


def main() -> None:
    """Print the figures, one a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=ENTRIES)
    parser.add_argument("--copy-of", help="a ledger whose entries are copied in place of making new ones")
    parser.add_argument("--url", help="an empty ledger, sqlite:/// or postgresql://")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = asked.url or f"sqlite:///{Path(folder) / 'ledger.db'}"
        os.environ["DPSYNTH_HOME"] = folder  # of notes and witnesses
        figures = {"store": url.partition(":")[0], **run(url, asked.entries, asked.copy_of)}
        figures["disk_sync_milliseconds"] = sync_milliseconds(Path(folder))
    for name, value in figures.items():
        sys.stdout.write(f"{name:<30}{value}\n")
    if asked.json:
        versions = {name: version(name) for name in ("sqlalchemy", "rfc8785")}
        known = json.loads(asked.json.read_text(encoding="utf-8"))["runs"] if asked.json.exists() else []
        kept = [old for old in known if old["store"] != figures["store"]]
        document = {
            "source": source_version(),
            "versions": versions,
            "surroundings": surroundings(),
            "runs": [*kept, figures],
        }
        asked.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
