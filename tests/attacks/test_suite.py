"""The whole suite: planted leaks fail, fresh draws do not, small samples never pass, presentation does not matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from dpsynth.attacks import (
    ATTACKS,
    AttackResult,
    Reading,
    Records,
    Statistic,
    SuiteFindings,
    Tolerances,
    overall_reading,
    run_suite,
    suite,
)
from dpsynth.attacks.attacked_release import SMALLEST_REFERENCE
from dpsynth.attacks.distance import nearest_totals
from dpsynth.attacks.findings import FailedAttack
from dpsynth.attacks.pictures import EXPOSURE_SCORE
from dpsynth.attacks.result import EVERYONE
from dpsynth.attacks.strata import DeclaredGroup
from dpsynth.attacks.suite import attack_release
from dpsynth.errors import AttackFailed, InvalidInput
from dpsynth.progress import reporting_to
from tests.attacks.populations import (
    CROWDED,
    MIXED,
    Codes,
    Split,
    bootstrap,
    crowded,
    crowded_rows,
    mixed,
    mixed_rows,
    mixed_split,
    partly_copied,
)

WITHOUT_FOREST = tuple(name for name in ATTACKS if name not in ("membership-classifier", "prediction-error"))
DETERMINISTIC = tuple(name for name in WITHOUT_FOREST if Statistic.EXCESS_RISK not in ATTACKS[name].statistics)
ROWS = 400
SPLIT = mixed_split(ROWS, np.random.default_rng(20))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def attack(
    split: Split, synthetic: Codes, *, seed: int = 0, attacks: tuple[str, ...] = tuple(ATTACKS)
) -> tuple[AttackResult, ...]:
    return run_suite(
        mixed(split.members),
        mixed(split.controls),
        mixed(synthetic),
        mixed(split.reference),
        rng=rng(seed),
        attacks=attacks,
    )


def by_name(results: tuple[AttackResult, ...]) -> dict[tuple[str, Statistic], AttackResult]:
    """Return the results for everyone."""
    return {(result.attack, result.statistic): result for result in results if result.stratum == EVERYONE}


def jittered(codes: Codes) -> Codes:
    """Move every ordered cell by at most one level: no row is verbatim any more."""
    moved = codes.copy()
    moved[:, :7] = np.clip(moved[:, :7] + rng(3).integers(-1, 2, size=(len(codes), 7)), 0, 39)
    return moved


LEAKS: dict[str, Callable[[Split], Codes]] = {
    "identity": lambda split: split.members,
    "bootstrap": lambda split: bootstrap(split.members, rng(2)),
    "tenth": lambda split: partly_copied(split.members, split.fresh, share=0.1),
    "noisy copy": lambda split: jittered(split.members),
}


@cache
def found(release: str) -> SuiteFindings:
    """Return what all attacks find in a leak, or in fresh rows; most tests here ask about the same few releases."""
    synthetic = SPLIT.fresh if release == "fresh" else LEAKS[release](SPLIT)
    tables = (mixed(codes) for codes in (SPLIT.members, SPLIT.controls, synthetic, SPLIT.reference))
    return attack_release(*tables, rng=rng())


@pytest.mark.parametrize("leak", LEAKS)
def test_planted_leaks_fail(leak: str) -> None:
    assert overall_reading(found(leak).results) is Reading.FAIL


def test_a_tenth_of_copied_rows_is_what_the_match_excess_measures() -> None:
    excess = by_name(found("tenth").results)["exact-match", Statistic.EXACT_MATCH_EXCESS]
    assert excess.reading is Reading.FAIL
    assert excess.interval.estimate == pytest.approx(0.1)


def test_a_fresh_draw_does_not_fail() -> None:
    assert overall_reading(found("fresh").results) is not Reading.FAIL


def test_a_large_fresh_draw_passes() -> None:
    # At 2000 rows a pass is possible: the readings say so one by one.
    split = mixed_split(2000, rng(4))
    results = attack(split, split.fresh, attacks=("nearest-neighbour-difference", "near-match"))
    assert [result.reading for result in by_name(results).values()] == [Reading.PASS] * 3
    # The most isolated 20 people of each side are searched for alarms only, and results say so.
    assert {result.stratum for result in results if not result.decisive} == {"most isolated 1 %"}
    # The most isolated 200 have to be shown safe too, and are too few for the true-positive rate at that limit.
    undecided = [result for result in results if result.decisive and result.reading is not Reading.PASS]
    assert [(one.stratum, one.statistic) for one in undecided] == [("most isolated 10 %", Statistic.TPR_AT_FPR)]
    assert overall_reading(results) is Reading.INCONCLUSIVE
    tables = (mixed(codes) for codes in (split.members, split.controls, split.fresh, split.reference))
    lenient = Tolerances(fpr=0.03, tpr=0.12)
    wider = run_suite(*tables, rng=rng(), attacks=("nearest-neighbour-difference",), tolerances=lenient)
    assert overall_reading(wider) is Reading.PASS


def independent(codes: Codes) -> Codes:
    return np.stack([rng(place).permutation(codes[:, place]) for place in range(codes.shape[1])], axis=1)


def test_independent_columns_do_not_fail() -> None:
    assert overall_reading(attack(SPLIT, independent(SPLIT.fresh))) is not Reading.FAIL


def test_columns_of_members_without_noise_fail_although_no_row_is_kept() -> None:
    # Thirteen exact tables of 400 people: what a member adds to a count of a few can be traced back.
    results = attack(SPLIT, independent(SPLIT.members))
    assert "clique-ratio" in {result.attack for result in results if result.reading is Reading.FAIL}


def crowded_suite(members: Codes, controls: Codes, synthetic: Codes, reference: Codes) -> tuple[AttackResult, ...]:
    return run_suite(crowded(members), crowded(controls), crowded(synthetic), crowded(reference), rng=rng())


def test_a_verbatim_copy_of_categorical_columns_is_no_tie() -> None:
    # 300 rows in 144 cells: most controls have an exact twin among the members too. All members do.
    members, controls, reference, fresh = (crowded_rows(300, rng(seed)) for seed in range(4))
    copied = by_name(crowded_suite(members, controls, members, reference))["exact-match", Statistic.EXACT_MATCH_EXCESS]
    assert copied.reading is Reading.FAIL
    assert copied.interval.estimate < 0.5  # natural duplicates are not counted as leaks
    assert overall_reading(crowded_suite(members, controls, fresh, reference)) is not Reading.FAIL


TENTH = LEAKS["tenth"](SPLIT)


def test_the_same_rng_gives_the_same_results() -> None:
    assert attack(SPLIT, TENTH) == found("tenth").results


# That the writing of tables changes no number is in test_suite_rewritten.py.


def test_swapping_members_and_controls_flips_every_sign() -> None:
    swapped = Split(SPLIT.controls, SPLIT.members, SPLIT.reference, SPLIT.fresh)
    there, back = by_name(found("identity").results), by_name(attack(swapped, SPLIT.members))
    for key, result in there.items():
        if result.statistic is Statistic.EXCESS_RISK:
            # A share of what controls leave: the sign flips, the size is another.
            assert np.sign(back[key].interval.estimate) == -np.sign(result.interval.estimate)
        elif result.statistic is not Statistic.TPR_AT_FPR:
            neutral = 1.0 if result.statistic is Statistic.AUC else 0.0
            assert back[key].interval.estimate == pytest.approx(neutral - result.interval.estimate)
            assert back[key].interval.lower == pytest.approx(neutral - result.interval.upper)
        assert back[key].reading is not Reading.FAIL
    assert overall_reading(there.values()) is Reading.FAIL


def test_more_copies_never_weaken_the_evidence() -> None:
    shares = (0, 0.02, 0.05, 0.1, 0.3, 1)
    excess = [
        by_name(attack(SPLIT, partly_copied(SPLIT.members, SPLIT.fresh, share=share), attacks=("exact-match",)))
        for share in shares
    ]
    p_values = [one["exact-match", Statistic.EXACT_MATCH_EXCESS].p_value for one in excess]
    assert p_values == sorted(p_values, reverse=True)


def test_a_small_reference_takes_half_of_the_controls() -> None:
    nothing = mixed(SPLIT.reference[:0])
    cheap = (*DETERMINISTIC, "singling-out", "linkability")
    for reference, attacks in ((nothing, tuple(ATTACKS)), (mixed(SPLIT.reference[: SMALLEST_REFERENCE - 1]), cheap)):
        people = mixed(SPLIT.members), mixed(SPLIT.controls)
        leaky = run_suite(*people, mixed(SPLIT.members), reference, rng=rng(), attacks=attacks)
        # Singling out counts predicates, not people.
        people_counted = (result for result in by_name(leaky).values() if result.attack != "singling-out")
        assert {result.controls for result in people_counted} == {ROWS // 2}
        assert overall_reading(leaky) is Reading.FAIL
        honest = run_suite(*people, mixed(SPLIT.fresh), reference, rng=rng(), attacks=attacks)
        assert overall_reading(honest) is not Reading.FAIL
    people = mixed(SPLIT.members), mixed(rng(9).permutation(SPLIT.controls))
    turned = run_suite(*people, mixed(SPLIT.fresh), reference, rng=rng(), attacks=attacks)
    assert turned == honest


@pytest.mark.parametrize("empty", ["members", "controls", "synthetic", "everything"])
def test_empty_tables_decide_nothing(empty: str) -> None:
    def table(name: str, codes: Codes) -> Records:
        return mixed(codes[:0] if empty in (name, "everything") else codes[:150])

    results = run_suite(
        table("members", SPLIT.members),
        table("controls", SPLIT.controls),
        table("synthetic", SPLIT.members),
        table("reference", SPLIT.reference),
        rng=rng(),
    )
    assert overall_reading(results) is Reading.INCONCLUSIVE
    assert all(np.isfinite([r.interval.estimate, r.p_value, r.smallest_detectable]).all() for r in results)


def test_one_person_decides_nothing() -> None:
    one = mixed(SPLIT.members[:1])
    assert overall_reading(run_suite(one, mixed(SPLIT.controls[:1]), one, one, rng=rng())) is Reading.INCONCLUSIVE


def test_limits_and_confidence_are_the_callers() -> None:
    results = run_suite(
        mixed(SPLIT.members), mixed(SPLIT.controls), mixed(TENTH), mixed(SPLIT.reference),
        rng=rng(), attacks=("exact-match",), tolerances=Tolerances(exact_match_excess=0.5), confidence=0.99,
    )  # fmt: skip
    (only,) = by_name(results).values()
    assert only.reading is Reading.PASS
    assert (only.interval.confidence, only.significance) == (0.99, pytest.approx(0.01))


def test_unknown_attacks_and_other_columns_are_refused() -> None:
    people = mixed(mixed_rows(5, rng()))
    with pytest.raises(InvalidInput):
        run_suite(people, people, people, people, rng=rng(), attacks=("no-such-attack",))
    other = crowded(crowded_rows(200, rng()))
    assert len(CROWDED.columns) != len(MIXED.columns)
    with pytest.raises(InvalidInput):
        run_suite(people, people, other, people, rng=rng())


def test_progress_is_one_step_per_attack() -> None:
    class Recorder:
        def __init__(self) -> None:
            self.seen: list[tuple[str, int]] = []

        def start(self, phase: str, total: int) -> None:
            self.seen.append((f"start {phase}", total))

        def advance(self, phase: str, steps: int) -> None:
            self.seen.append((phase, steps))

        def finish(self, phase: str) -> None:
            self.seen.append((f"finish {phase}", 0))

    recorder = Recorder()
    with reporting_to(recorder):
        attack(SPLIT, TENTH, attacks=("exact-match", "near-match"))
    shown = [step for step in recorder.seen if "attacks" in step[0]]
    assert shown == [("start attacks", 2), ("attacks", 1), ("attacks", 1), ("finish attacks", 0)]


def test_isolated_people_are_looked_at_on_their_own() -> None:
    # The eight most isolated of 400 members are copied: everyone together shows little, they themselves all.
    isolation = nearest_totals(mixed(SPLIT.members), mixed(SPLIT.reference), neighbours=5).sum(axis=1)
    copied = np.argsort(isolation)[-8:]
    synthetic = np.concatenate([SPLIT.members[copied], SPLIT.fresh[8:]])
    results = attack(SPLIT, synthetic, attacks=("nearest-neighbour-difference",))
    auc = {result.stratum: result for result in results if result.statistic is Statistic.AUC}
    assert auc[EVERYONE].reading is not Reading.FAIL
    assert auc["most isolated 10 %"].interval.estimate > auc[EVERYONE].interval.estimate + 0.05
    assert auc["most isolated 10 %"].tolerance == pytest.approx(0.6)


def test_declared_groups_are_looked_at_on_their_own() -> None:
    column = len(MIXED.columns) - 1
    group = DeclaredGroup.of_codes("rare", MIXED.columns, column, [0, 1])
    findings = attack_release(
        mixed(SPLIT.members), mixed(SPLIT.controls), mixed(SPLIT.members), mixed(SPLIT.reference),
        rng=rng(), attacks=("exact-match",), groups=(group,),
    )  # fmt: skip
    (result,) = [result for result in findings.results if result.stratum == "rare"]
    assert result.members == int(np.isin(SPLIT.members[:, column], [0, 1]).sum())
    assert result.reading is Reading.FAIL
    (size,) = [size for size in findings.strata if size.label == "rare"]
    assert (size.members, size.controls) == (result.members, result.controls)


def test_what_few_people_cannot_decide_is_not_tested_and_is_said() -> None:
    findings = found("fresh")
    # 1 % of 800 people: about four members and four controls.
    assert {one.stratum for one in findings.untested} >= {"most isolated 1 %"}
    for one in findings.untested:
        assert one.hypotheses > 0
        assert one.members + one.controls <= 80
    tested = {(result.stratum, result.statistic) for result in findings.results}
    assert not tested & {(one.stratum, one.statistic) for one in findings.untested}


def test_exposed_rows_are_positions_of_copied_members() -> None:
    synthetic = np.concatenate([SPLIT.members[100:200], SPLIT.fresh[100:]])
    findings = attack_release(
        mixed(SPLIT.members), mixed(SPLIT.controls), mixed(synthetic), mixed(SPLIT.reference),
        rng=rng(), attacks=(EXPOSURE_SCORE,),
    )  # fmt: skip
    listed = set(findings.exposed.rows)
    assert len(listed) > 50
    assert len(listed - set(range(100, 200))) <= 0.15 * len(listed)  # 5 % expected
    assert findings.exposed.tested == ROWS
    assert "100" not in repr(findings.exposed)


def test_findings_hold_what_pictures_need() -> None:
    findings = found("identity")
    curves = {curve.attack: curve.points for curve in findings.curves}
    assert curves["nearest-neighbour"][0][1] == 1  # every member before the first control
    for points in curves.values():
        assert list(points) == sorted(points)
        assert points[-1] == (1.0, 1.0)
    for histogram in findings.distances:
        assert sum(histogram.members) == sum(histogram.controls) == ROWS
        assert len(histogram.edges) == len(histogram.members) + 1


def test_an_attack_does_not_depend_on_which_others_run() -> None:
    together = by_name(attack(SPLIT, TENTH, attacks=("exact-match", "nearest-neighbour", "near-match")))
    alone = by_name(attack(SPLIT, TENTH, attacks=("nearest-neighbour",)))
    for key, result in alone.items():
        assert (together[key].interval, together[key].p_value) == (result.interval, result.p_value)


class Broken:
    """An attack that gives scores that mean nothing, or raises."""

    def __init__(self, does: np.ndarray | BaseException) -> None:
        self.does = does

    def score(
        self, targets: Records, synthetic: Records, reference: Records, *, rng: np.random.Generator
    ) -> np.ndarray:
        if isinstance(self.does, BaseException):
            raise self.does
        return self.does


def with_a_broken_one(monkeypatch: pytest.MonkeyPatch, does: np.ndarray | BaseException) -> SuiteFindings:
    broken = replace(ATTACKS["nearest-neighbour"], load=lambda: Broken(does))
    monkeypatch.setattr(suite, "attack_entry", lambda name: broken if name == broken.name else ATTACKS[name])
    return attack_release(
        mixed(SPLIT.members), mixed(SPLIT.controls), mixed(SPLIT.fresh), mixed(SPLIT.reference),
        rng=rng(), attacks=("exact-match", "nearest-neighbour"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("does", "error"),
    [
        (np.full(2 * ROWS, np.nan), "AttackFailed"),
        (np.zeros(3), "AttackFailed"),
        (ValueError("a cell: Zebulon"), "ValueError"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_an_attack_that_fails_is_a_finding_and_never_a_risk_of_zero(
    does: np.ndarray | BaseException, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = with_a_broken_one(monkeypatch, does)
    assert found.failed == (FailedAttack("nearest-neighbour", error),)
    assert {result.attack for result in found.results} == {"exact-match"}
    assert found.reading is not Reading.PASS
    assert "Zebulon" not in repr(found.failed)


def test_results_alone_say_too_little_where_one_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    with_a_broken_one(monkeypatch, ValueError())
    with pytest.raises(AttackFailed, match=r"nearest-neighbour failed \(ValueError\)"):
        attack(SPLIT, SPLIT.fresh, attacks=("exact-match", "nearest-neighbour"))


def test_what_failed_gives_the_others_no_significance(monkeypatch: pytest.MonkeyPatch) -> None:
    both = attack(SPLIT, SPLIT.fresh, attacks=("exact-match", "nearest-neighbour"))
    left = with_a_broken_one(monkeypatch, ValueError())
    alone = {result.stratum: result.smallest_detectable for result in both if result.attack == "exact-match"}
    for result in left.results:
        assert result.smallest_detectable == pytest.approx(alone[result.stratum], rel=0.05)
    assert replace(left, results=()).reading is Reading.INCONCLUSIVE


def test_an_interrupt_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        with_a_broken_one(monkeypatch, KeyboardInterrupt())


def test_groups_that_results_could_not_tell_apart_are_refused() -> None:
    for label in (EVERYONE, "most isolated 1 %"):
        group = DeclaredGroup.of_codes(label, MIXED.columns, 0, [0])
        with pytest.raises(InvalidInput, match="different"):
            attack_release(*[mixed(SPLIT.fresh)] * 4, rng=rng(), groups=(group,))
