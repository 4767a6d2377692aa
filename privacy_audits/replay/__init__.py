"""Replay: the same fit on a neighbor, with every answer of the gate frozen, may not show any difference."""
