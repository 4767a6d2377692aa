"""The record gate's answer in a checkpoint: read back as it was written, and refused if anything of it was changed."""

from __future__ import annotations

import hmac
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rfc8785

from dpsynth.certification.kept_matches import KeptMatches
from dpsynth.certification.record_evidence import MatchCounts
from dpsynth.curator.record_matches import MatchQuestion
from dpsynth.errors import InvalidInput

QUESTION = MatchQuestion(np.array([[0, 1], [1, 0]]), [np.arange(2) * 10, np.arange(3)], reach=10, near=2)
COUNTS = MatchCounts((3, -2, 100), (0, 1, 20), 10.916667)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeptMatches:
    monkeypatch.setenv("DPSYNTH_HOME", str(tmp_path / "home"))
    return KeptMatches(tmp_path / "matches.json", "release-1")


def test_an_answer_is_read_back_for_its_owner_only(kept: KeptMatches) -> None:
    assert kept.read(QUESTION) is None
    kept.write(QUESTION, COUNTS)
    assert kept.read(QUESTION) == COUNTS
    assert kept.path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("signed", [False, True], ids=["as it was", "under a key that was made up"])
@pytest.mark.parametrize(
    "change",
    [
        {"members": [3, -2, 101]},
        {"controls": [0, 1, 19]},
        {"stddev": 1.5},
        {"release": "release-2"},
        {"question": "0" * 64},
        {"format": 2},
        {"more": 1},
        {"members": [3, -2]},
        {"members": [3, -2, True]},
        {"members": None},
    ],
    ids=str,
)
def test_what_was_edited_is_refused(kept: KeptMatches, change: dict[str, object], signed: bool) -> None:
    kept.write(QUESTION, COUNTS)
    said = json.loads(kept.path.read_bytes()) | change
    if signed:
        content = rfc8785.dumps({key: value for key, value in said.items() if key != "tag"})
        said["tag"] = hmac.new(bytes(32), b"tag\0" + content, "sha256").hexdigest()
    kept.path.write_bytes(rfc8785.dumps(said))
    with pytest.raises(InvalidInput, match=r"edited|damaged"):
        kept.read(QUESTION)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff"])
def test_what_is_no_answer_is_refused(kept: KeptMatches, content: bytes) -> None:
    kept.path.write_bytes(content)
    with pytest.raises(InvalidInput, match="damaged"):
        kept.read(QUESTION)


@pytest.mark.parametrize(
    "other",
    [
        replace(QUESTION, near=3),
        replace(QUESTION, reach=11),
        replace(QUESTION, table=QUESTION.table[::-1]),
        replace(QUESTION, places=[QUESTION.places[0], np.array([0, 1, 3])]),
    ],
    ids=["near", "reach", "table", "places"],
)
def test_another_question_has_no_answer_yet(kept: KeptMatches, other: MatchQuestion) -> None:
    """Another table is another release: that it has no file of its own is told, not passed over."""
    kept.write(QUESTION, COUNTS)
    with pytest.raises(InvalidInput, match="another table"):
        kept.read(other)
