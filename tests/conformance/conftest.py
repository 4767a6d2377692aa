"""Everything in this folder is replayed in deterministic mode on the processor."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _always_deterministic(deterministic_on_the_processor: None) -> None:
    """See `deterministic`."""
