"""Can a ledger live in this file?

Refuses network file systems: SQLite's locks do not hold there, and a lost lock overspends a budget. Refuses what this
user cannot write, because a ledger that cannot be written cannot grant anything.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from dpsynth.errors import LedgerCorrupted, LedgerUnavailable
from dpsynth.ledger.witness import witness_beside

_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|afs|ncpfs|ceph|lustre|gpfs|beegfs|glusterfs|davfs\d?|ocfs2|gfs2|"
    r"fuse\.(sshfs|s3fs|gcsfuse|rclone|glusterfs|ceph|davfs2?|blobfuse2?|goofys|juicefs|smbnetfs|moosefs|seaweedfs|"
    r"mount-s3|curlftpfs)"
)
_ESCAPED = re.compile(r"\\([0-7]{3})")
_MOUNTS = Path("/proc/mounts")


def network_filesystem(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """Return the kind of network file system that the absolute `path` is on; None where it is local or unknown."""
    try:
        table = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    kind, depth = "", -1
    for line in table.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(_ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[1]))
        # A later mount on the same point hides the earlier one.
        if path.is_relative_to(point) and len(point.parts) >= depth:
            kind, depth = fields[2], len(point.parts)
    return kind if _NETWORK.fullmatch(kind) else None


def usable_file(path: Path, *, create: bool) -> Path:
    """Return `path` as an absolute path to a file that a ledger can live in; make it where missing and `create` is set.

    Raises:
        LedgerUnavailable: it cannot; the message says why and what to do.
        LedgerCorrupted: a ledger was here and is gone.
    """
    try:
        path = path.absolute() if not path.exists() else path.resolve()
        _refuse_place(path)
        if not path.exists():
            if not create:
                raise LedgerUnavailable(f"there is no ledger at '{path}'. Nothing was granted.")
            _refuse_fresh_start(path)
            _make_file(path)
    except OSError as fault:
        raise LedgerUnavailable(f"the ledger '{path}' cannot be made or opened: {fault.strerror}") from fault
    if not (os.access(path, os.R_OK | os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK)):
        raise LedgerUnavailable(
            f"the ledger '{path}' or its folder is read-only for this user; a ledger that cannot be written cannot "
            "grant anything. To look at it, copy it with its .heads file into a folder of your own."
        )
    return path


def _refuse_place(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise LedgerUnavailable(f"the ledger '{path}' is a folder; name a file in it, such as '{path / 'ledger.db'}'")
    if not path.parent.is_dir():
        raise LedgerUnavailable(f"the folder '{path.parent}' of the ledger does not exist; make it first")
    kind = network_filesystem(path.parent.resolve())
    if kind is not None:
        raise LedgerUnavailable(
            f"the ledger '{path}' is on a network file system ({kind}), where locks do not hold and a budget can be "
            "overspent; keep it on a local disk"
        )


def _refuse_fresh_start(path: Path) -> None:
    witness = witness_beside(path)
    if witness.exists():
        raise LedgerCorrupted(
            f"the ledger '{path}' is gone, but '{witness.name}' beside it remembers its entries; restore "
            "the ledger from a backup. What was spent stays spent."
        )


def _make_file(path: Path) -> None:
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
