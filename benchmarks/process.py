"""One run in a process of its own, with a limit on time and memory; what it cost is measured from outside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ENDED_BY_OTHERS = "ended from outside"
"""The outcome of a run that somebody, or the system for lack of memory, ended: it says nothing about what was run."""

UNFINISHED = "did not finish"
"""How the outcome of a run begins that reached a limit on time."""

_PAUSE = 0.1
_PLACE = re.compile(r"(?:/[\w.+-]+){2,}/?")


@dataclass(frozen=True, slots=True)
class Limits:
    """When a run is stopped.

    Attributes:
        cpu_seconds: processor time.
        seconds: time on the wall.
        megabytes: resident memory.
    """

    cpu_seconds: int
    seconds: int
    megabytes: int


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended.

    Attributes:
        outcome: `finished`, or in words why it did not.
        process_cpu_seconds: processor time from its first import to its end.
        peak_mb: its largest resident memory.
        seconds: time on the wall.
    """

    outcome: str
    process_cpu_seconds: float
    peak_mb: float
    seconds: float


def run_to_the_end(command: Sequence[str], *, folder: Path, limits: Limits, settings: Mapping[str, str]) -> Ending:
    """Run a command and return how it ended.

    Args:
        command: the program and its arguments.
        folder: where it works; its messages go to the file `messages` there.
        limits: when it is stopped. It stops itself at the limit on processor time.
        settings: environment variables besides those of this process.
    """
    started, peak = time.monotonic(), 0.0
    with (folder / "messages").open("wb") as messages:
        child = subprocess.Popen(  # noqa: S603 - runners of this project
            command,
            stdout=messages,
            stderr=messages,
            cwd=folder,
            env={**os.environ, **settings},
            start_new_session=True,
        )
        reason = None
        try:
            while True:
                peak = max(peak, _peak_mb(child.pid))
                ended, status, usage = os.wait4(child.pid, os.WNOHANG)
                if ended:
                    break
                reason = reason or _exceeded(limits, time.monotonic() - started, peak)
                if reason:
                    os.killpg(child.pid, signal.SIGKILL)
                time.sleep(_PAUSE)
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise
    child.returncode = os.waitstatus_to_exitcode(status)
    spent = usage.ru_utime + usage.ru_stime
    outcome = reason or _outcome(child.returncode, spent, limits, folder / "messages")
    return Ending(outcome, spent, peak or usage.ru_maxrss / 1024, time.monotonic() - started)


def _exceeded(limits: Limits, seconds: float, megabytes: float) -> str | None:
    """Return in words which limit a running process is beyond."""
    if seconds > limits.seconds:
        return f"{UNFINISHED} in {limits.seconds} s"
    if megabytes > limits.megabytes:
        return f"stopped at {limits.megabytes} MB"
    return None


def _outcome(code: int, spent: float, limits: Limits, messages: Path) -> str:
    """Return in words how a process ended that this one did not end."""
    if code == 0:
        return "finished"
    if code == -signal.SIGXCPU or (code == -signal.SIGKILL and spent >= limits.cpu_seconds):
        return f"{UNFINISHED} in {limits.cpu_seconds} CPU s"
    if code in {-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP, -signal.SIGKILL}:
        return ENDED_BY_OTHERS
    lines = [line for line in messages.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    last = _PLACE.sub("...", lines[-1].strip())[:160] if lines else f"exit code {code}"
    return f"failed: {last}"


def _peak_mb(process: int) -> float:
    """Return the largest resident memory of a running process so far, where the system tells; else 0.

    Not `ru_maxrss`: that counts the memory of the process from which this one was started.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found.group(1)) / 1024 if found else 0.0
