"""PyTorch as replays need it: on the processor, and by algorithms that give the same bits every time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch


@contextmanager
def deterministic() -> Iterator[None]:
    """Hide CUDA devices and refuse operations that may come out differently; without PyTorch there is nothing to do."""
    try:
        import torch
    except ImportError:
        yield
        return
    enabled = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    with patch.object(torch.cuda, "is_available", return_value=False):
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(enabled, warn_only=warns)
