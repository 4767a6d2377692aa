"""Deep generators of others on coded Adult, beside ours.

They were measured by hand in autumn 2026, one seed each, on the same rows and by the same kind of judge. Their figures
are written down here and are in no recorded run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.record import Record, newest

OURS = ("dpctgan", "dpctgan-alone", "dptvae", "dptvae-alone", "pategan", "pategan-alone")
TABLE = "adult-deep"


@dataclass(frozen=True, slots=True)
class DeepPeer:
    """One run of a deep generator of others.

    Attributes:
        name: package, version and model.
        epsilon: what it was run at, or claims; None where it is not private.
        tvd2: mean distance over pairs.
        auc: of a classifier trained on its rows.
        remark: what a reader has to know.
    """

    name: str
    epsilon: str | None
    tvd2: float
    auc: float
    remark: str


DEEP_PEERS = (
    DeepPeer("smartnoise-synth 1.0.8 PATE-GAN", "1, claimed", 0.777, 0.445, "delta 1.3e-7"),
    DeepPeer(
        "smartnoise-synth 1.0.8 PATE-CTGAN", "1, claimed", 0.708, 0.360, "1.146 by its own accountant; delta 1.3e-7"
    ),
    DeepPeer("synthcity 0.2.12 PATE-GAN", "1, claimed", 0.711, 0.647, "cut to two inner epochs for time; delta 1.3e-7"),
    DeepPeer("sdv-dev/CTGAN 0.12.1 TVAE", None, 0.282, 0.890, "not private; 100 epochs of its 300"),
)
"""PATE-CTGAN and the PATE-GAN of synthcity show real rows to the student, so that their claims mean nothing."""

BEST_PAIRS = min(peer.tvd2 for peer in DEEP_PEERS if peer.epsilon is not None)
BEST_AUC = max(peer.auc for peer in DEEP_PEERS if peer.epsilon is not None)


def deep_peers_of(record: Record) -> str:
    """Return peers and ours at epsilon 1 and 10 as a Markdown table."""
    lines = ["| system | epsilon | tvd2 | AUC | remark |", "|---|---|---|---|---|"]
    lines += [
        f"| {peer.name} | {peer.epsilon or 'none'} | {peer.tvd2:.3f} | {peer.auc:.3f} | {peer.remark} |"
        for peer in DEEP_PEERS
    ]
    runs = newest(record.runs(TABLE))
    for epsilon in ("1", "10"):
        for system in OURS:
            found = [run.figures for run in runs if (run.system, run.epsilon) == (system, epsilon) and run.finished]
            if found:
                pairs, area = (float(np.mean([figures[name] for figures in found])) for name in ("tvd2", "auc"))
                remark = "one run" if len(found) == 1 else f"mean of {len(found)} runs"
                lines.append(f"| **{system}** | {epsilon} | {pairs:.3f} | {area:.3f} | {remark} |")
    return "\n".join(lines) + "\n"
