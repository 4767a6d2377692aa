"""Attacks on released tables: arrays in, scores out, intervals and readings from scores.

Instruments only. They hold no data, open no file and know no curator; who may see their results is decided elsewhere.
"""

from __future__ import annotations

from dpsynth.attacks.base import Attack, AttackFamily, CountingAttack, ThreatModel, Trials
from dpsynth.attacks.bounds import Interval
from dpsynth.attacks.findings import SuiteFindings
from dpsynth.attacks.records import Records
from dpsynth.attacks.registry import ATTACKS
from dpsynth.attacks.result import AttackResult, Reading, Statistic, Tolerances, overall_reading
from dpsynth.attacks.strata import DeclaredGroup
from dpsynth.attacks.suite import attack_release, run_suite

__all__ = [
    "ATTACKS",
    "Attack",
    "AttackFamily",
    "AttackResult",
    "CountingAttack",
    "DeclaredGroup",
    "Interval",
    "Reading",
    "Records",
    "Statistic",
    "SuiteFindings",
    "ThreatModel",
    "Tolerances",
    "Trials",
    "attack_release",
    "overall_reading",
    "run_suite",
]
