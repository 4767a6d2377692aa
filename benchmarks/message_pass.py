"""One message pass through one node of a junction tree, by numpy, torch and numba, in double and in single precision.

Run by `python -m benchmarks.inference_choices`. It needs numpy, and measures torch and numba where they are installed,
so an environment with numba and nothing of this package will do: `python -m benchmarks.message_pass`. A pass is what
`dpsynth.models.belief_propagation` does with a node: add up what comes in, take away the largest entry of every
separator cell, one exponential for each cell, sum; then multiply by the separator's marginal and sum what goes out.
Buffers are made beforehand. Prints JSON: processor microseconds of a pass, the least of several timings in turn.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZES = ((100, 10), (3_000, 10), (3_000, 100), (100_000, 10), (100_000, 100))
"""Cells of a node, and how many of them there are for each cell of its separator."""

PRECISIONS = {"double": np.float64, "single": np.float32}
_TURNS = 9
_LEAST_SECONDS = 0.02

Arrays = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]
"""Potential (rows, width), separator potential (rows, 1), message (1, width), separator marginal (rows, 1)."""

Pass = Callable[[], tuple[Any, Any]]
"""Returns the message up, in log units, and the marginal of the residual columns."""


def arrays(cells: int, width: int, precision: str) -> Arrays:
    """Return the same tables at every precision."""
    rng, rows = np.random.default_rng(0), cells // width
    kind = PRECISIONS[precision]
    above = rng.dirichlet(np.ones(rows))[:, None]
    shapes = ((rows, width), (rows, 1), (1, width))
    potential, separator, message = (rng.normal(0, 2, shape).astype(kind) for shape in shapes)
    return potential, separator, message, above.astype(kind)


def by_numpy(given: Arrays) -> Pass:
    """Return the pass in numpy, every result written into a buffer."""
    potential, separator, message, above = given
    table, belief = np.empty_like(potential), np.empty_like(potential)
    peak, mass, up, share = (np.empty_like(above) for _ in range(4))
    out = np.empty_like(message[0])

    def one_pass() -> tuple[Any, Any]:
        np.add(potential, separator, out=table)
        np.add(table, message, out=table)
        np.maximum.reduce(table, axis=1, keepdims=True, out=peak)
        np.subtract(table, peak, out=table)
        np.exp(table, out=table)
        np.add.reduce(table, axis=1, keepdims=True, out=mass)
        np.log(mass, out=up)
        np.add(up, peak, out=up)
        np.divide(above, mass, out=share)
        np.multiply(table, share, out=belief)
        np.add.reduce(belief, axis=0, out=out)
        return up[:, 0], out

    return one_pass


def by_torch(given: Arrays) -> Pass:
    """Return the pass in torch, eager, every result written into a buffer."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    potential, separator, message, above = (torch.from_numpy(part) for part in given)
    table, belief = torch.empty_like(potential), torch.empty_like(potential)
    peak, mass, up, share = (torch.empty_like(above) for _ in range(4))
    out = torch.empty_like(message[0])

    def one_pass() -> tuple[Any, Any]:
        with torch.inference_mode():
            torch.add(potential, separator, out=table)
            torch.add(table, message, out=table)
            torch.amax(table, 1, keepdim=True, out=peak)
            torch.sub(table, peak, out=table)
            torch.exp(table, out=table)
            torch.sum(table, 1, keepdim=True, out=mass)
            torch.log(mass, out=up)
            torch.add(up, peak, out=up)
            torch.div(above, mass, out=share)
            torch.mul(table, share, out=belief)
            torch.sum(belief, 0, out=out)
        return up[:, 0].numpy(), out.numpy()

    return one_pass


def _loops(potential: Any, separator: Any, message: Any, above: Any, up: Any, out: Any, row: Any) -> None:
    """Do the pass in loops over the cells, for numba: one function for all shapes."""
    out[:] = 0
    for here in range(potential.shape[0]):
        peak = potential[here, 0] + separator[here, 0] + message[0, 0]
        for cell in range(potential.shape[1]):
            row[cell] = potential[here, cell] + separator[here, 0] + message[0, cell]
            peak = max(peak, row[cell])
        mass = row[0] * 0
        for cell in range(potential.shape[1]):
            row[cell] = np.exp(row[cell] - peak)
            mass += row[cell]
        up[here] = np.log(mass) + peak
        share = above[here, 0] / mass
        for cell in range(potential.shape[1]):
            out[cell] += row[cell] * share


def compiled() -> tuple[Any, float]:
    """Return the loops compiled for both precisions, from the cache if they are there, and the seconds that took."""
    numba = importlib.import_module("numba")
    start = time.process_time()
    kinds = [getattr(numba, f"float{bits}") for bits in (32, 64)]
    signatures = [numba.void(*[kind[:, ::1]] * 4, *[kind[::1]] * 3) for kind in kinds]
    made = numba.njit(signatures, cache=True)(_loops)
    return made, time.process_time() - start


def by_numba(given: Arrays, made: Any) -> Pass:
    """Return the pass by the compiled loops."""
    up, out, row = (np.empty(length, given[0].dtype) for length in (*given[0].shape, given[0].shape[1]))

    def one_pass() -> tuple[Any, Any]:
        made(*given, up, out, row)
        return up, out

    return one_pass


def timings() -> dict[str, Any]:
    """Return microseconds of one pass by size, way and precision, and what loading and compiling cost."""
    costs: dict[str, float] = {}
    found = {name: importlib.util.find_spec(name) is not None for name in ("torch", "numba")}
    for name in [name for name, there in found.items() if there]:
        start = time.process_time()
        importlib.import_module(name)
        costs[f"import {name}"] = round(time.process_time() - start, 3)
    made = None
    if found["numba"]:
        made, costs["compile with numba, or read its cache"] = compiled()
    sizes = []
    for cells, width in SIZES:
        ways: dict[str, Pass] = {}
        for precision in PRECISIONS:
            given = arrays(cells, width, precision)
            ways[f"numpy, {precision}"] = by_numpy(given)
            if found["torch"]:
                ways[f"torch, {precision}"] = by_torch(given)
            if found["numba"]:
                ways[f"numba, {precision}"] = by_numba(given, made)
        right = [part.astype(np.float64) for part in ways["numpy, double"]()]
        for name, way in ways.items():
            if not all(np.allclose(part, exact, rtol=1e-3) for part, exact in zip(way(), right, strict=True)):
                raise ArithmeticError(f"{name} computes something else")
        sizes.append({"cells": cells, "width": width, "microseconds": _least(ways)})
    return {"costs": costs, "sizes": sizes}


def _least(ways: dict[str, Pass]) -> dict[str, float]:
    """Return the least of several timings of each way, taken in turn so that all meet the same machine."""
    repeats: dict[str, int] = {}
    for name, way in ways.items():
        start, repeats[name] = time.process_time(), 0
        while time.process_time() - start < _LEAST_SECONDS:
            way()
            repeats[name] += 1
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(_TURNS):
        for name, way in ways.items():
            start = time.process_time()
            for _ in range(repeats[name]):
                way()
            least[name] = min(least[name], (time.process_time() - start) / repeats[name])
    return {name: round(1e6 * seconds, 2) for name, seconds in least.items()}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(timings()) + "\n")
