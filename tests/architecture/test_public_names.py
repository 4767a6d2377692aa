"""The public surface is pinned: a name enters or leaves it on purpose, with a line in the changelog."""

from __future__ import annotations

import dpsynth

PUBLIC = [
    "MWEM",
    "Curator",
    "Independent",
    "Ledger",
    "Override",
    "PrivacyBudget",
    "Schema",
    "SyntheticTable",
    "__version__",
    "attack_table",
    "audit_ledger",
    "discover_categories",
    "export_withheld",
    "release",
    "timeline",
    "verify_release",
    "what_if",
]


def test_public_names_are_pinned() -> None:
    assert sorted(dpsynth.__all__) == sorted(PUBLIC)


def test_every_public_name_can_be_reached_and_says_what_it_is() -> None:
    for name in dpsynth.__all__:
        assert getattr(dpsynth, name).__doc__, name


def test_public_names_are_listed_by_dir() -> None:
    assert set(PUBLIC) <= set(dir(dpsynth))
