"""The command line of the benchmarks: `run` makes the figures, `report` writes them into the documentation."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks.comparison import Asked, compare
from benchmarks.peers.environments import default_folder
from benchmarks.process import Limits
from benchmarks.record import RESULTS, Record
from benchmarks.report import table_of, write_pages
from benchmarks.systems import systems
from benchmarks.tables.registry import TABLES

NOT_TINY = [name for name in TABLES if name != "tiny"]


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run what is not recorded yet, print the tables")
    run.add_argument("--data", nargs="+", choices=list(TABLES), default=NOT_TINY, help="tables; all if not given")
    run.add_argument("--systems", nargs="+", choices=list(systems()), help="systems; each table has its own list")
    run.add_argument("--epsilons", nargs="+", help="each table has its own list")
    run.add_argument("--seeds", type=int, help="runs of each system; without it 5 of ours and 1 of each peer")
    run.add_argument("--peers", type=Path, default=default_folder(), help="where environments of peers are made")
    run.add_argument("--cpu-limit", type=int, default=1800, help="processor seconds after which a run is stopped")
    run.add_argument("--limit", type=int, default=7200, help="seconds on the wall after which a run is stopped")
    run.add_argument("--memory-limit", type=int, default=12_000, help="megabytes at which a run is stopped")
    run.add_argument("--again", action="store_true", help="run also what is recorded, and replace it")
    run.add_argument("--smoke", action="store_true", help="one run of each own system on a tiny table, not recorded")
    run.add_argument("--results", type=Path, default=RESULTS, help="the folder of recorded runs")
    report = commands.add_parser("report", help="rewrite the tables in the documentation from the recorded runs")
    report.add_argument("--results", type=Path, default=RESULTS, help="the folder of recorded runs")
    return parser


def main() -> None:
    """Do what the command line asks for."""
    # Ended from outside, it ends the run that it waits for, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    given = arguments().parse_args()
    record = Record(given.results)
    if given.command == "report":
        write_pages(record)
        return
    limits = Limits(given.cpu_limit, given.limit, given.memory_limit)
    asked = Asked(given.data, given.systems, given.epsilons, given.seeds, given.peers, limits, again=given.again)
    if given.smoke:
        own = given.systems or [name for name, system in systems().items() if system.is_own]
        with tempfile.TemporaryDirectory() as place:
            record = Record(Path(place))
            compare(Asked(["tiny"], own, given.epsilons, 1, given.peers, limits), record)
            sys.stdout.write(table_of("tiny", record))
        return
    compare(asked, record)
    for name in given.data:
        sys.stdout.write(f"\n## {TABLES[name].title}\n\n{table_of(name, record)}")


if __name__ == "__main__":
    main()
