"""Runs every campaign at its smoke size: `python -m privacy_audits`; the exit code is 1 where one of them fails."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

_NEEDS_OTHERS = ("peers",)
"""Campaigns that install other people's packages: they are recorded and have no smoke size."""


def main() -> None:
    """Run the campaigns one after the other, each in a process of its own."""
    failed = []
    for file in sorted(Path(__file__).parent.glob("*/campaign.py")):
        name, began = file.parent.name, time.perf_counter()
        if name in _NEEDS_OTHERS:
            continue
        code = subprocess.run(  # noqa: S603 - our own modules
            [sys.executable, "-m", f"privacy_audits.{name}.campaign", "--smoke"],
            cwd=file.parents[2],
            check=False,
        ).returncode
        sys.stdout.write(f"{name}: {'failed' if code else 'passed'} in {time.perf_counter() - began:.0f} s\n")
        sys.stdout.flush()
        failed += [name] if code else []
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
