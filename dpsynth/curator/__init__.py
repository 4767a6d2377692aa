"""The only door to rows: sealed types, the gate, and the queries that a generator may ask."""

from dpsynth.curator.curator import Curator

__all__ = ["Curator"]
