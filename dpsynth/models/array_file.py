"""Arrays with JSON about them as one safetensors file, whole or refused; nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import rfc8785
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput

_KEY, _DIGEST = "json", "sha256"


def packed(said: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the file: numbers as they are, and `said` as canonical JSON in the header, with a digest of both.

    The same arrays and JSON give the same bytes.

    Args:
        said: JSON about the arrays, without a field `sha256`.
        arrays: numbers, by name.
    """
    from safetensors import numpy as safetensors

    plain = {name: np.array(arrays[name], order="C") for name in sorted(arrays)}
    text = rfc8785.dumps({**said, _DIGEST: _digest(said, plain)}).decode()
    return safetensors.save(plain, metadata={_KEY: text})


def unpacked(content: bytes, *, name: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the JSON and the arrays of a file that `packed` made.

    Args:
        content: of the file.
        name: of the file, for the message.

    Raises:
        InvalidInput: it is something else, or damaged.
    """
    from safetensors import numpy as safetensors

    try:
        arrays = safetensors.load(content)
        length = int.from_bytes(content[:8], "little")
        said = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][_KEY])
        is_whole = said.pop(_DIGEST) == _digest(said, arrays)
    except Exception as fault:  # whatever a file can hold
        raise InvalidInput(f"{name} is no file of arrays, or is damaged") from fault
    if not is_whole:
        raise InvalidInput(f"{name} is damaged: it is not what was written")
    return said, arrays


def _digest(said: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(rfc8785.dumps(dict(said)))
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()
