"""A release from its table on, for replays: the record gate and the internal audit, and what anybody could see of them.

The released table is fixed. Of the internal folder only the names of its files are seen.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import BinaryIO

import numpy as np
import pandas as pd

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import JsonValue
from dpsynth.certification.audit import internal_audit, write_internal_report
from dpsynth.certification.policy import default_policy
from dpsynth.certification.record_gate import GatePlan, ask_record_gate
from dpsynth.curator import Curator
from dpsynth.ledger import Ledger
from dpsynth.randomness import NoiseSource
from dpsynth.schema.schema import Schema
from dpsynth.schema.table import SyntheticTable
from privacy_audits.replay.replay import BUDGET, Published

POLICY = default_policy()
HALF = PrivacyBudget("0.5", BUDGET.delta)
GATE = GatePlan(claim=BUDGET, generator=HALF, record=HALF, controls=Fraction(2, 5), canaries_decide=False)
ROWS = 30


def render(content: Mapping[str, JsonValue]) -> str:
    """Stand for the page of the report."""
    return str(content)


@contextmanager
def written_below() -> Iterator[BinaryIO]:
    """Give a file that takes what goes to the two descriptors of the screen past Python's streams."""
    with TemporaryFile() as file:
        kept = {number: os.dup(number) for number in (1, 2)}
        try:
            for number in kept:
                os.dup2(file.fileno(), number)
            yield file
        finally:
            for number, before in kept.items():
                os.dup2(before, number)
                os.close(before)


def audited(table: pd.DataFrame, schema: Schema, ledger: Ledger, noise: NoiseSource) -> Published:
    """Ask one marginal, the record gate and the internal audit about a fixed table; return what is seen outside."""
    curator = Curator.open(table, schema, ledger=ledger, noise=noise, control_fraction=GATE.controls)
    sizes = [column.size for column in schema.columns]
    codes = np.random.default_rng(5).integers(0, sizes, (ROWS, len(sizes))).astype(np.int32)
    released = SyntheticTable(schema, codes, spread_seed=0)
    screen, ended, evidence = io.StringIO(), "", None
    heard = logging.StreamHandler(screen)
    logging.getLogger().addHandler(heard)
    with (
        TemporaryDirectory() as folder,
        chdir(folder),
        written_below() as below,
        redirect_stdout(screen),
        redirect_stderr(screen),
    ):
        try:
            with curator.within(GATE.generator, purpose="fit") as session:
                session.measure(("stage",), session.mu_squared)
            evidence = ask_record_gate(curator, released, GATE, POLICY)
            findings = internal_audit(curator, released, POLICY, rng=np.random.default_rng(0))
            place = Path("internal")
            write_internal_report(place, findings, release_folder=Path("release"), render=render)
        except BaseException as fault:
            if isinstance(fault, Exception):
                raise
            ended = f"{type(fault).__name__}: {fault}"
        finally:
            logging.getLogger().removeHandler(heard)
        files = {
            str(path): b"" if path.parent == Path("internal") or path.is_dir() else path.read_bytes()
            for path in sorted(Path().rglob("*"))
        }
        below.seek(0)
        shown = screen.getvalue(), below.read()
    return repr((ended, shown, files, evidence)).encode(), curator.charged
