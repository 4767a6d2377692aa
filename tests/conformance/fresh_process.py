"""A process that has seen nothing but what it is sent: no row, and nothing that anybody kept of one.

It is begun with the environment of before any test, and not by a fork. One process serves all calls of a test run, in
deterministic mode on the processor.
"""

from __future__ import annotations

import atexit
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from tests.conformance.deterministic import deterministic

PROJECT = Path(__file__).resolve().parents[2]
_ENVIRONMENT = dict(os.environ)
_BEGIN = """
import sys, types
sys.path.insert(0, {project!r})
tests = sys.modules["tests"] = types.ModuleType("tests")
tests.__path__ = [{project!r} + "/tests"]
from tests.conformance.fresh_process import serve
serve()
"""


def called_afresh(function: Callable[..., Any], *arguments: object) -> Any:
    """Return what `function` makes of `arguments` in the other process, or raise what it raises there.

    All of them cross by pickle: a function by its name, which is looked up there.
    """
    question = pickle.dumps((function, arguments))
    process = _process()
    to_it, from_it = _pipes(process)
    to_it.write(len(question).to_bytes(8, "big") + question)
    to_it.flush()
    answer = _message(from_it)
    if answer is None:
        raise RuntimeError(f"the other process ended with status {process.wait()}")
    raised, result = pickle.loads(answer)
    if raised:
        raise result
    return result


def serve() -> None:
    """Answer until there are no more questions; what is printed goes to the standard error."""
    from_it, to_it = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    while (question := _message(from_it)) is not None:
        try:
            function, arguments = pickle.loads(question)
            with deterministic():
                answer = pickle.dumps((False, function(*arguments)))
        except Exception as fault:
            answer = pickle.dumps((True, fault))
        to_it.write(len(answer).to_bytes(8, "big") + answer)
        to_it.flush()


@cache
def _process() -> subprocess.Popen[bytes]:
    begun = subprocess.Popen(
        [sys.executable, "-c", _BEGIN.format(project=str(PROJECT))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_ENVIRONMENT,
        cwd=PROJECT,
    )
    atexit.register(_end, begun)
    return begun


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in _pipes(process):
        pipe.close()
    process.wait(timeout=60)


def _pipes(process: subprocess.Popen[bytes]) -> tuple[BinaryIO, BinaryIO]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout  # type: ignore[return-value]


def _message(pipe: BinaryIO) -> bytes | None:
    size = pipe.read(8)
    return pipe.read(int.from_bytes(size, "big")) if len(size) == 8 else None
