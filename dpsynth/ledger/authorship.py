"""Who writes, when, and with what: the fields of an entry that nobody passes in."""

from __future__ import annotations

import getpass
import os
import secrets
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version


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


def new_salt() -> str:
    """Return 32 random hexadecimal digits: they keep the digest of an entry from being guessed back into the entry."""
    return secrets.token_hex(16)
