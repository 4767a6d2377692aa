"""Sealed values refuse everything that could carry them away by accident."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import dpsynth.curator
from dpsynth.curator._sealed import Private, unseal
from dpsynth.curator.confidential import Confidential
from dpsynth.curator.findings import reveal
from dpsynth.errors import SealedError

ENVELOPES = [Private([1, 2, 3]), Confidential([1, 2, 3])]


@pytest.mark.parametrize("sealed", ENVELOPES, ids=["private", "confidential"])
@pytest.mark.parametrize(
    "misuse",
    [iter, len, bool, float, int, list, sum, json.dumps, lambda value: value[0], lambda value: np.add(value, 1)],
)
def test_refuses_to_be_used_as_a_value(sealed: Private[list[int]], misuse: Callable[[object], object]) -> None:
    with pytest.raises(TypeError):
        misuse(sealed)


@pytest.mark.parametrize("sealed", ENVELOPES, ids=["private", "confidential"])
@pytest.mark.parametrize("carry", [copy.copy, copy.deepcopy, pickle.dumps])
def test_refuses_to_be_copied_or_pickled(sealed: Private[list[int]], carry: Callable[[object], object]) -> None:
    with pytest.raises(SealedError):
        carry(sealed)


@pytest.mark.parametrize("sealed", ENVELOPES, ids=["private", "confidential"])
def test_prints_as_sealed(sealed: Private[list[int]]) -> None:
    assert "1" not in f"{sealed!r}{sealed}{[sealed]}"
    assert "sealed" in repr(sealed)


def test_has_no_instance_dictionary_to_look_into() -> None:
    with pytest.raises(TypeError):
        vars(Private(1))


def test_the_openers_open() -> None:
    assert unseal(Private("rows")) == "rows"
    assert reveal(Confidential("finding")) == "finding"


def test_only_the_two_openers_know_how_to_open() -> None:
    package = Path(dpsynth.curator.__file__).parent
    knowing = {file.name for file in package.rglob("*.py") if "content_of" in file.read_text(encoding="utf-8")}
    assert knowing == {"seal.py", "_sealed.py", "findings.py"}
