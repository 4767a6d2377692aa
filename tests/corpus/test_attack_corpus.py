"""Releases that are known to leak must fail, and honest ones must not: the corpus, in a size for every commit.

`python -m benchmarks.attack_corpus` does the same at full size and records it; docs/attacks/corpus.md shows that.
"""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.attack_corpus import FEW_NOISY_OUTLIERS, GATE_MUST_FAIL, HONEST, People, exact_columns
from benchmarks.attack_tables import attack_table, missing_file
from dpsynth.attacks import Reading, Records, overall_reading, run_suite
from dpsynth.certification.policy import Verdict

ROWS = 300
SEED = 4

REAL = ("adult", "acs", "diabetes")
GROSS = ("copy", "bootstrap", "noisy-copy", "noisier-copy", "smote", "centroids", "row-swap", "copied-tenth")
MUST_FAIL = [
    *(("adult", twin) for twin in (*GROSS, "copied-outliers")),
    *(("acs", twin) for twin in ("noisier-copy", "smote")),
    *(("diabetes", twin) for twin in ("noisier-copy", "copied-tenth")),
    ("adult-categorical", "copy"),
    ("odd", "copy"),
    ("odd", "noisy-copy"),
]


def people_of(name: str, rows: int, seed: int = SEED) -> People:
    file = missing_file(name.partition("-")[0])
    if file is not None:
        pytest.skip(f"the real table {file.name} is not on this machine; see DPSYNTH_SHARED_DATA")
    return People.of(attack_table(name), rows, seed)


def reading(people: People, release: np.ndarray, seed: int = SEED) -> Reading:
    return overall_reading(people.suite(release, seed))


@pytest.mark.parametrize(("table", "twin"), MUST_FAIL)
def test_a_leaky_release_fails(table: str, twin: str) -> None:
    people = people_of(table, ROWS)
    assert reading(people, people.leak(twin, SEED)) is Reading.FAIL


def test_ten_verbatim_rows_among_two_thousand_are_caught() -> None:
    people = people_of("adult", 2_000)
    assert reading(people, people.leak("ten-in-two-thousand", SEED)) is Reading.FAIL


def test_few_noisy_outliers_are_caught_among_the_most_isolated() -> None:
    people = people_of("adult", 2_000)
    assert reading(people, people.leak(FEW_NOISY_OUTLIERS, SEED)) is Reading.FAIL


@pytest.mark.parametrize("table", ["adult", "acs"])
def test_columns_without_noise_are_traced(table: str) -> None:
    # Only the clique ratio sees it. The same columns with noise are among the honest releases.
    people = people_of(table, ROWS)
    assert reading(people, exact_columns(people, SEED).astype(np.int32)) is Reading.FAIL


@pytest.mark.parametrize("release", HONEST)
@pytest.mark.parametrize("table", ["adult", "crowded"])
def test_an_honest_release_does_not_fail(table: str, release: str) -> None:
    people = people_of(table, ROWS)
    made = HONEST[release](people, SEED).astype(np.int32)
    assert reading(people, made) is not Reading.FAIL


@pytest.mark.parametrize("table", [*REAL, "adult-categorical"])
def test_a_hundred_rows_never_pass(table: str) -> None:
    people = people_of(table, 100)
    assert reading(people, people.fresh) is not Reading.PASS


def test_false_alarms_are_as_rare_as_promised() -> None:
    # 12 fresh draws with the whole suite. Holm at 5 %: an alarm has probability 5 % at most; more than 4 of 12 have
    # probability 2e-4 (binomial tail). A hundred rows never pass, on these tables either.
    alarms = failures = 0
    for draw in range(12):
        people = people_of(("crowded", "odd")[draw % 2], 100, seed=100 + draw)
        results = people.suite(people.fresh, draw)
        alarms += min(result.adjusted_p_value for result in results) <= 0.05
        failures += overall_reading(results) is Reading.FAIL
        assert overall_reading(results) is not Reading.PASS
    assert alarms <= 4
    assert failures <= 4


@pytest.mark.parametrize("twin", GATE_MUST_FAIL)
def test_planted_canaries_give_a_leaky_generator_away(twin: str) -> None:
    assert people_of("adult", 1_000).gate(twin, SEED).verdict is Verdict.FAIL


@pytest.mark.parametrize("table", ["acs", "diabetes"])
@pytest.mark.parametrize("twin", ["noisier-copy", "copied-tenth"])
def test_planted_canaries_work_on_other_schemas(table: str, twin: str) -> None:
    assert people_of(table, 1_000).gate(twin, SEED).verdict is Verdict.FAIL


def test_one_row_tables_and_empty_releases_do_not_break_the_suite() -> None:
    people = people_of("odd", 60)
    schema = people.table.schema
    for release in (people.fresh[:0], people.fresh[:1], np.repeat(people.fresh[:1], 60, axis=0)):
        assert overall_reading(people.suite(release, SEED)) is not Reading.FAIL
    one = [Records.from_codes(rows[:1], schema) for rows in (people.members, people.controls, people.fresh)]
    results = run_suite(*one, Records.from_codes(people.reference[:0], schema), rng=np.random.default_rng(0))
    assert overall_reading(results) is Reading.INCONCLUSIVE
