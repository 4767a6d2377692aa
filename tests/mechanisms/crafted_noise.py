"""A byte source whose bytes are written by the test, so that a draw has a known quantile."""

from __future__ import annotations

import numpy as np

from dpsynth.mechanisms.inverse_table import InverseTable


class CraftedNoise:
    """Answers requests for bytes from a list, in order; requests for no bytes are answered without it."""

    certifiable = False

    def __init__(self, answers: list[bytes]) -> None:
        self.answers = list(answers)

    def random_bytes(self, count: int) -> bytes:
        if count == 0:
            return b""
        answer = self.answers.pop(0)
        assert len(answer) == count
        return answer


def words(numbers: list[int]) -> bytes:
    return np.array(numbers, dtype="<u8").tobytes()


def at_quantiles(table: InverseTable, quantiles: list[int]) -> CraftedNoise:
    """Return the source that makes `table` draw these 128-bit quantiles, one block long at most."""
    high_words = set(table.high.tolist())
    high = [quantile >> 64 for quantile in quantiles]
    low = [quantile & (2**64 - 1) for quantile in quantiles if quantile >> 64 in high_words]
    return CraftedNoise([words(high), *([words(low)] if low else [])])
