"""Noise comes from the kernel, no seed reaches it, a fork does not repeat it; coins and integers are exact."""

from __future__ import annotations

import os
import random
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import InvalidInput
from dpsynth.mechanisms import RoundedGaussianMechanism, Sensitivity
from dpsynth.randomness import SeededNoise, SystemNoise, secret_coins, uniform_below, uniform_words
from tests.mechanisms.crafted_noise import CraftedNoise, words


def sixty_four_noisy_zeros() -> list[int]:
    mechanism = RoundedGaussianMechanism(Fraction(100))
    return mechanism(np.zeros(64, dtype=np.int64), sensitivity=Sensitivity(1, 1, 1), noise=SystemNoise()).tolist()


def test_global_seeds_do_not_reach_the_noise() -> None:
    draws = []
    for _ in range(2):
        random.seed(7)
        np.random.seed(7)  # noqa: NPY002  the old global state, on purpose
        draws.append(sixty_four_noisy_zeros())
    assert draws[0] != draws[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_does_not_repeat_the_parents_bytes() -> None:
    noise = SystemNoise()
    noise.random_bytes(32)  # a buffering source would now share the rest of its buffer with the child
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads: the child only writes and leaves
        child = os.fork()
    if child == 0:
        os.write(writer, noise.random_bytes(32))
        os._exit(0)
    os.close(writer)
    mine = noise.random_bytes(32)
    with os.fdopen(reader, "rb") as pipe:
        theirs = pipe.read()
    os.waitpid(child, 0)
    assert len(theirs) == 32
    assert mine != theirs


def test_every_draw_reads_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(count: int) -> bytes:
        asked.append(count)
        return b"\x01" * count

    monkeypatch.setattr("dpsynth.randomness.os.urandom", counted)
    assert SystemNoise().random_bytes(3) == b"\x01\x01\x01"
    assert uniform_words(SystemNoise(), 2).tolist() == [0x0101010101010101] * 2
    assert asked == [3, 16]


def test_only_the_system_is_certifiable() -> None:
    assert SystemNoise().certifiable
    assert not SeededNoise(1).certifiable


def test_seeded_noise_repeats_itself_and_no_other_seed() -> None:
    def stream(seed: int) -> list[bytes]:
        noise = SeededNoise(seed)
        return [noise.random_bytes(16) for _ in range(3)]

    assert stream(1) == stream(1)
    assert len({*stream(1), *stream(2)}) == 6


def test_noise_and_public_generators_cannot_be_swapped() -> None:
    public = {name for name in dir(np.random.Generator) if not name.startswith("_")}
    for source in (SystemNoise, SeededNoise):
        assert not public & {name for name in dir(source) if not name.startswith("_")}


def test_words_are_little_endian_and_short_answers_are_refused() -> None:
    assert uniform_words(CraftedNoise([bytes(range(8))]), 1).tolist() == [0x0706050403020100]
    assert uniform_words(CraftedNoise([]), 0).shape == (0,)

    class ShortNoise:
        certifiable = False

        def random_bytes(self, count: int) -> bytes:
            return bytes(count - 1)

    with pytest.raises(InvalidInput):
        uniform_words(ShortNoise(), 3)


@given(st.integers(1, 2**80), st.data())
def test_coins_are_decided_by_all_binary_digits(denominator: int, data: st.DataObject) -> None:
    numerator = data.draw(st.integers(0, denominator - 1))
    # The uniform number with these 128 binary digits falls below the probability, or not, exactly.
    first = (numerator << 64) // denominator
    second = data.draw(st.integers(0, 2**64 - 1))
    tie = CraftedNoise([words([first]), words([second]), words([0])])
    exact = (first << 64) + second
    boundary = (numerator << 128) // denominator
    if exact != boundary:
        assert secret_coins(tie, 1, numerator, denominator).tolist() == [exact < boundary]


def test_certain_coins_need_no_noise() -> None:
    assert secret_coins(CraftedNoise([]), 3, 5, 5).all()
    assert secret_coins(CraftedNoise([]), 3, 6, 5).all()
    assert not secret_coins(SeededNoise(1), 1000, 0, 5).any()
    assert secret_coins(SystemNoise(), 0, 1, 2).shape == (0,)


@pytest.mark.parametrize(("numerator", "denominator"), [(-1, 2), (1, 0), (1, -2)])
def test_what_is_no_probability_is_refused(numerator: int, denominator: int) -> None:
    with pytest.raises(InvalidInput):
        secret_coins(SeededNoise(1), 1, numerator, denominator)


def test_integers_below_a_bound_reject_rather_than_wrap() -> None:
    # Below 5: three bits; 7, 6, 5 are rejected, the bits above the third are ignored.
    noise = CraftedNoise([b"\xff", b"\x06", b"\x0d", b"\xf4"])
    assert uniform_below(noise, 5) == 4
    assert noise.answers == []
    assert uniform_below(CraftedNoise([]), 1) == 0


@given(st.integers(1, 2**300), st.integers(0, 2**32))
def test_integers_stay_below_their_bound(bound: int, seed: int) -> None:
    assert 0 <= uniform_below(SeededNoise(seed), bound) < bound


@pytest.mark.parametrize("bound", [0, -1])
def test_an_empty_range_is_refused(bound: int) -> None:
    with pytest.raises(InvalidInput):
        uniform_below(SystemNoise(), bound)
