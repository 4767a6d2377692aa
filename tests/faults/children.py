"""Child processes that die, race or run into limits while the parent watches through a pipe.

A child is a fork, so that dozens of runs take seconds; it never returns into the test that made it.
"""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable
from dataclasses import dataclass

Say = Callable[[str], None]


def die() -> None:
    """End this process as `kill -9` does: no cleanup, no exit handlers, no flushing."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Child:
    """A running child and what it says."""

    pid: int
    pipe: int
    heard: bytes = b""

    def wait_for_lines(self, count: int) -> None:
        """Wait until the child has said `count` lines."""
        while self.heard.count(b"\n") < count and (chunk := os.read(self.pipe, 4096)):
            self.heard += chunk

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def finish(self) -> tuple[list[str], int]:
        """Return all lines that the child said, and its exit code (-9: killed)."""
        while chunk := os.read(self.pipe, 65536):
            self.heard += chunk
        os.close(self.pipe)
        _, status = os.waitpid(self.pid, 0)
        return self.heard.decode().splitlines(), os.waitstatus_to_exitcode(status)


def start(work: Callable[[Say], None]) -> Child:
    """Run `work` in a child; what it says arrives even if it dies in the next instruction."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of forking beside threads; these children touch nothing that a thread could hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        os.close(writer)
        return Child(pid, reader)
    status = 1
    try:
        os.close(reader)
        work(lambda line: os.write(writer, f"{line}\n".encode()) and None)
        status = 0
    except BaseException as fault:
        os.write(writer, f"FAULT {type(fault).__name__}: {fault}\n".encode())
    finally:
        os._exit(status)
