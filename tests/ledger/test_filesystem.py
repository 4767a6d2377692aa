"""Files that a ledger cannot live in are refused before anything is made."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from dpsynth.errors import LedgerCorrupted, LedgerUnavailable
from dpsynth.ledger import filesystem
from dpsynth.ledger.filesystem import network_filesystem, usable_file

MOUNTS = r"""/dev/vda / ext4 rw 0 0
server:/shares /shares nfs4 rw 0 0
/dev/vdb /shares/local xfs rw 0 0
//nas/share /mnt/with\040space cifs rw 0 0
sshfs /mnt/ssh fuse.sshfs rw 0 0
portal /mnt/portal fuse.portal rw 0 0
server:/x /mnt/hidden nfs rw 0 0
/dev/vdc /mnt/hidden ext4 rw 0 0
broken line
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    table = tmp_path / "mounts"
    table.write_text(MOUNTS, encoding="utf-8")
    return table


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/srv", None),
        ("/shares/ann", "nfs4"),
        ("/sharestead", None),
        ("/shares/local/ann", None),
        ("/mnt/with space/ledgers", "cifs"),
        ("/mnt/ssh", "fuse.sshfs"),
        ("/mnt/portal", None),
        ("/mnt/hidden", None),
    ],
)
def test_the_mount_that_holds_a_folder_decides(mounts: Path, folder: str, kind: str | None) -> None:
    assert network_filesystem(Path(folder), mounts) == kind


def test_where_mounts_are_not_listed_nothing_is_refused(tmp_path: Path) -> None:
    assert network_filesystem(Path("/shares"), tmp_path / "absent") is None


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "network_filesystem", lambda path: "nfs4")
    with pytest.raises(LedgerUnavailable, match=r"network file system \(nfs4\)"):
        usable_file(tmp_path / "ledger.db", create=True)
    assert list(tmp_path.iterdir()) == []


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = usable_file(tmp_path / "ledger.db", create=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_a_missing_folder_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match="is a folder"):
        usable_file(tmp_path, create=True)
    with pytest.raises(LedgerUnavailable, match="does not exist; make it first"):
        usable_file(tmp_path / "absent" / "ledger.db", create=True)
    with pytest.raises(LedgerUnavailable, match="there is no ledger"):
        usable_file(tmp_path / "ledger.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_the_system_refuses(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match="cannot be made or opened"):
        usable_file(tmp_path / ("x" * 300), create=True)


def test_a_ledger_that_is_gone_is_not_started_anew(tmp_path: Path) -> None:
    (tmp_path / "ledger.db.heads").write_text("", encoding="utf-8")
    with pytest.raises(LedgerCorrupted, match="is gone"):
        usable_file(tmp_path / "ledger.db", create=True)
    assert not (tmp_path / "ledger.db").exists()
