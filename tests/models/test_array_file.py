from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from safetensors import numpy as safetensors

from dpsynth.errors import InvalidInput
from dpsynth.models.array_file import packed, unpacked

SAID = {"names": ["b", "a"], "total": 12.5}
ARRAYS = {
    "turned": np.arange(6.0).reshape(2, 3).T,
    "empty": np.zeros((0, 2), dtype=np.int64),
    "one": np.array(3, dtype=np.int32),
}
CONTENT = packed(SAID, ARRAYS)


def test_json_and_arrays_come_back_as_they_were_and_to_the_byte() -> None:
    said, arrays = unpacked(CONTENT, name="file")
    assert said == SAID
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array, strict=True)
    assert packed(said, dict(reversed(arrays.items()))) == CONTENT


def test_any_reader_of_the_format_can_read_it() -> None:
    np.testing.assert_array_equal(safetensors.load(CONTENT)["turned"], ARRAYS["turned"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 an archive",
        pickle.dumps({"rows": 3}),
        CONTENT[:-1],
        CONTENT + b"\0",
        safetensors.save(ARRAYS),
        safetensors.save(ARRAYS, metadata={"json": "[]"}),
        safetensors.save(ARRAYS, metadata={"json": "[" * 100_000}),
        safetensors.save(ARRAYS, metadata={"json": json.dumps({"total": float("nan"), "sha256": ""})}),
    ],
    ids=["empty", "archive", "pickle", "short", "long", "no json", "a list", "deep", "not a number"],
)
def test_something_else_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput, match="file is no file of arrays, or is damaged"):
        unpacked(content, name="file")


@pytest.mark.parametrize("written", [b"12.5", np.float64(4).tobytes(), b"turned"])
def test_a_change_anywhere_is_refused(written: bytes) -> None:
    assert written in CONTENT
    with pytest.raises(InvalidInput, match="damaged"):
        unpacked(CONTENT.replace(written, bytes([written[0] ^ 1]) + written[1:]), name="file")
