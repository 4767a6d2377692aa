"""Who writes, when, and with what: the fields of an entry that nobody passes in."""

from __future__ import annotations

import getpass
import hashlib
import os
import secrets
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def current_actor() -> str:
    """Return the account that this process runs as: its name, or its number where it has none."""
    try:
        # Not on every system.
        import pwd

        # Not from the environment, which the user may set to any name.
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid {os.geteuid()}"
    except ImportError:
        return getpass.getuser()


def current_time() -> str:
    """Return the time in UTC, ISO 8601 with microseconds."""
    return written_time(datetime.now(UTC))


def written_time(moment: datetime) -> str:
    """Return `moment` as an entry writes it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@cache
def current_software() -> str:
    """Return name and version of this package."""
    try:
        return f"dpsynth {version('dpsynth')}"
    except PackageNotFoundError:
        return "dpsynth, not installed"


@cache
def software_digest() -> str:
    """Return the SHA-256 of the source code of this package: of `name, 0, SHA-256 of the file` for all files by name.

    It is what the files say when it is first asked for, which is when this process first writes an entry.
    """
    package = Path(__file__).resolve().parents[1]
    files = {path.relative_to(package).as_posix(): path for path in package.rglob("*.py")}
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + hashlib.sha256(files[name].read_bytes()).digest())
    return digest.hexdigest()


def new_salt() -> str:
    """Return 32 random hexadecimal digits: they keep the digest of an entry from being guessed back into the entry."""
    return secrets.token_hex(16)
