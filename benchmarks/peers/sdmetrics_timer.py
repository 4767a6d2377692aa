"""Times the privacy metrics of SDMetrics; run by the Python of its environment: `python sdmetrics_timer.py FOLDER`.

The folder holds `members.json`, `controls.json`, `synthetic.json` and `ordered.json`, the names of ordered columns.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
from sdmetrics.single_table import DCROverfittingProtection, NewRowSynthesis


def main() -> None:
    """Print processor and wall seconds of every metric as JSON."""
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    members, controls, synthetic = (
        pd.DataFrame(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))
        for name in ("members", "controls", "synthetic")
    )
    ordered = set(json.loads((folder / "ordered.json").read_text(encoding="utf-8")))
    columns = {name: {"sdtype": "numerical" if name in ordered else "categorical"} for name in members}
    for table in (members, controls, synthetic):
        for name in set(columns) - ordered:
            table[name] = table[name].astype(str)
    metadata = {"tables": {"table": {"columns": columns}}}
    measured = {
        metric.__name__: timed(partial(metric.compute, *tables, metadata, "table"))
        for metric, tables in (
            (DCROverfittingProtection, (members, synthetic, controls)),
            (NewRowSynthesis, (members, synthetic)),
        )
    }
    sys.stdout.write("\n" + json.dumps(measured) + "\n")


def timed(measure: Callable[[], object]) -> dict[str, float]:
    """Return the seconds that one measure takes."""
    processor, wall = time.process_time(), time.perf_counter()
    measure()
    return {"cpu_seconds": time.process_time() - processor, "seconds": time.perf_counter() - wall}


if __name__ == "__main__":
    main()
