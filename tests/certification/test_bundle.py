from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import get_type_hints

import pandas as pd
import pytest

from dpsynth.certification import bundle as bundle_module
from dpsynth.certification.bundle import check_destination, write_bundle
from dpsynth.certification.certificate import Override, assess
from dpsynth.certification.signing import SigningKey
from dpsynth.curator.confidential import Confidential
from dpsynth.curator.seal import Sealed
from dpsynth.errors import BundleError, InvalidInput
from dpsynth.schema.table import SyntheticTable
from tests.certification.made_releases import ISSUED, POLICY, SOFTWARE, MadeRelease, honest_release, page, table_of

FILES = {
    "synthetic.csv",
    "certificate.json",
    "certificate.dsse.json",
    "public_key.pem",
    "report.html",
    "schema.yaml",
    "ledger.jsonl",
    "SHA256SUMS",
}


def test_a_release_folder_holds_its_files_and_nothing_else(released: Path, made: MadeRelease) -> None:
    assert {path.name for path in released.iterdir()} == FILES
    assert (released / "certificate.json").read_bytes() == made.certificate.to_json()
    assert len(pd.read_csv(released / "synthetic.csv")) == made.judged.table.rows
    assert [path.name for path in released.parent.iterdir()] == ["release"]


def test_checksums_are_those_of_the_files(released: Path) -> None:
    lines = (released / "SHA256SUMS").read_text().splitlines()
    listed = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert set(listed) == FILES - {"SHA256SUMS"}
    for name, digest in listed.items():
        assert hashlib.sha256((released / name).read_bytes()).hexdigest() == digest


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="coreutils are not installed")
def test_sha256sum_reads_the_checksums(released: Path) -> None:
    run = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=released, capture_output=True, check=False
    )
    assert run.returncode == 0


def test_a_table_can_be_parquet(tmp_path: Path, key: SigningKey) -> None:
    made = honest_release(rows=50, table_file="synthetic.parquet")
    folder = made.write(tmp_path / "release", key)
    assert len(pd.read_parquet(folder / "synthetic.parquet")) == made.judged.table.rows
    assert not (folder / "synthetic.csv").exists()


def test_the_same_release_gives_the_same_folder(tmp_path: Path, made: MadeRelease, key: SigningKey) -> None:
    first, second = made.write(tmp_path / "a", key), made.write(tmp_path / "b", key)
    for name in FILES:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_the_signature_accepts_public_types_only() -> None:
    """The parameters of write_bundle are the export policy; a new one must be argued for here."""
    hints = get_type_hints(write_bundle)
    assert list(hints) == ["out", "table", "certificate", "schema", "ledger_extract", "report_html", "key", "return"]
    assert not [kind for kind in hints.values() if isinstance(kind, type) and issubclass(kind, Sealed)]


@pytest.mark.parametrize("smuggled", [Confidential("rows"), pd.DataFrame({"a": [1]}), None])
def test_anything_but_a_synthetic_table_is_refused(
    tmp_path: Path, made: MadeRelease, key: SigningKey, smuggled: object
) -> None:
    with pytest.raises(BundleError, match="accepts a SyntheticTable"):
        write_bundle(
            tmp_path / "release",
            table=smuggled,  # type: ignore[arg-type]
            certificate=made.certificate,
            schema=made.judged.table.schema,
            ledger_extract=made.facts.ledger_extract,
            report_html="",
            key=key,
        )
    assert list(tmp_path.iterdir()) == []


def write(made: MadeRelease, out: Path, key: SigningKey, **changes: object) -> Path:
    parts: dict[str, object] = {
        "table": made.judged.table,
        "certificate": made.certificate,
        "schema": made.judged.table.schema,
        "ledger_extract": made.facts.ledger_extract,
        "report_html": page(made.certificate),
        "key": key,
    }
    return write_bundle(out, **{**parts, **changes})  # type: ignore[arg-type]


def other_table(made: MadeRelease) -> SyntheticTable:
    return table_of(made.judged.table.codes[::-1].copy())


def test_parts_that_do_not_belong_together_are_refused(tmp_path: Path, made: MadeRelease, key: SigningKey) -> None:
    out = tmp_path / "release"
    with pytest.raises(BundleError, match="another table"):
        write(made, out, key, table=other_table(made))
    with pytest.raises(BundleError, match="ledger extract"):
        write(made, out, key, ledger_extract=made.facts.ledger_extract[:-1])
    with pytest.raises(BundleError, match="report was not rendered"):
        write(made, out, key, report_html="<html></html>")
    assert list(tmp_path.iterdir()) == []


def test_a_refused_release_cannot_be_written(tmp_path: Path, made: MadeRelease, key: SigningKey) -> None:
    facts = replace(made.facts, noise_certifiable=False)
    refused = assess(facts, made.judged, POLICY, issued_at=ISSUED, software=SOFTWARE)
    with pytest.raises(BundleError, match="may not leave"):
        write(made, tmp_path / "release", key, certificate=refused, report_html=page(refused))
    ordered = assess(
        facts,
        made.judged,
        POLICY,
        issued_at=ISSUED,
        software=SOFTWARE,
        override=Override(by="A. Person", reason="test"),
    )
    assert write(made, tmp_path / "release", key, certificate=ordered, report_html=page(ordered))


def test_a_destination_that_exists_is_refused_and_left_alone(
    tmp_path: Path, made: MadeRelease, key: SigningKey
) -> None:
    out = tmp_path / "release"
    out.mkdir()
    (out / "mine").write_text("keep")
    with pytest.raises(BundleError, match="exists already"):
        check_destination(out)
    with pytest.raises(BundleError, match="exists already"):
        made.write(out, key)
    assert (out / "mine").read_text() == "keep"
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BundleError, match="exists already"):
        check_destination(tmp_path / "dangling")


def test_a_destination_is_checked_without_leaving_traces(tmp_path: Path) -> None:
    check_destination(tmp_path / "release", "synthetic.parquet", 1_000, 10)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BundleError, match="make it first"):
        check_destination(tmp_path / "no" / "release")
    with pytest.raises(InvalidInput, match=r"synthetic\.csv or synthetic\.parquet"):
        check_destination(tmp_path / "release", "../table.csv")


def test_a_disk_that_is_nearly_full_is_noticed_before_anything_is_spent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(bundle_module.shutil, "disk_usage", lambda _: usage(1 << 40, 1 << 40, 100 << 20))
    check_destination(tmp_path / "release", rows=20_000, columns=10)
    with pytest.raises(BundleError, match="Nothing was spent"):
        check_destination(tmp_path / "release", rows=10_000_000, columns=10)


@pytest.mark.parametrize("fails", ["fsync", "write_bytes", "rename"])
def test_a_full_disk_leaves_nothing_behind_and_says_what_to_do(
    tmp_path: Path, made: MadeRelease, key: SigningKey, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as broken:
        broken.setattr(os if fails == "fsync" else Path, fails, full)
        with pytest.raises(BundleError, match="charged in the ledger all the same") as caught:
            made.write(tmp_path / "release", key)
    assert os.strerror(errno.ENOSPC) in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert made.write(tmp_path / "elsewhere", key).is_dir()


def test_an_interrupted_release_leaves_nothing_behind(
    tmp_path: Path, made: MadeRelease, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made.write(tmp_path / "release", key)
    assert list(tmp_path.iterdir()) == []
