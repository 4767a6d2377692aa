"""Runs campaigns at their smoke sizes: `python -m privacy_audits`; the exit code is 1 where one of them fails."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

_NEEDS_OTHERS = ("peers",)
"""Campaigns that install other people's packages: they are recorded and have no smoke size."""

_FILES = {
    file.parent.name: file
    for file in sorted(Path(__file__).parent.glob("*/campaign.py"))
    if file.parent.name not in _NEEDS_OTHERS
}


def main() -> None:
    """Run the campaigns one after the other, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("campaigns", nargs="*", help=f"some of {', '.join(_FILES)}; all of them unless named")
    wanted = parser.parse_args().campaigns or list(_FILES)
    if unknown := [name for name in wanted if name not in _FILES]:
        parser.error(f"no campaign is called {', '.join(unknown)}")
    failed, first = [], time.perf_counter()
    for name in wanted:
        began = time.perf_counter()
        code = subprocess.run(  # noqa: S603 - our own modules
            [sys.executable, "-m", f"privacy_audits.{name}.campaign", "--smoke"],
            cwd=_FILES[name].parents[2],
            check=False,
        ).returncode
        sys.stdout.write(f"{name}: {'failed' if code else 'passed'} in {time.perf_counter() - began:.0f} s\n")
        sys.stdout.flush()
        failed += [name] if code else []
    sys.stdout.write(f"together: {time.perf_counter() - first:.0f} s; failed: {', '.join(failed) or 'none'}\n")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
