"""Recorded audits count for the version that they were made of, and for no other."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from importlib import resources

import pytest

from dpsynth.certification.gate_checks import audits_check
from dpsynth.certification.implementation_audits import (
    AuditResult,
    audits_of_this_version,
    read_register,
    source_digest,
)
from dpsynth.certification.policy import Verdict, default_policy
from dpsynth.certification.policy_file import load_policy
from dpsynth.errors import InvalidInput

HERE = audits_of_this_version("mst", register=[])
LINE = AuditResult(
    id="replay-1",
    campaign="replay",
    generator="all",
    layer="L0",
    software_version=HERE.software_version,
    source_sha256=source_digest("all"),
    result="PASS",
    date="2026-03-01",
    file="replay/results/1.json",
)
REQUIRED = load_policy("strict").audit_layers.split()


def test_the_shipped_register_can_be_read() -> None:
    text = resources.files("dpsynth.certification").joinpath("implementation_audits.json").read_text(encoding="utf-8")
    read_register(text)


def test_a_register_comes_back_as_written_and_odd_ones_are_refused() -> None:
    def written(*lines: dict, form: int = 1) -> str:
        return json.dumps({"format": form, "results": lines})

    line = asdict(LINE)
    assert read_register(written(line)) == (LINE,)
    for wrong in (
        "[]",
        written(line, form=2),
        written(line, line),
        written({**line, "layer": "L9"}),
        written({**line, "result": "MAYBE"}),
        written({**line, "more": "x"}),
        written({**line, "date": 3}),
    ):
        with pytest.raises(InvalidInput):
            read_register(wrong)


@pytest.mark.parametrize("other", [{"software_version": "0.0.9"}, {"source_sha256": "0" * 64}, {"generator": "aim"}])
def test_results_of_other_versions_and_generators_do_not_count(other: dict) -> None:
    assert audits_of_this_version("mst", register=[replace(LINE, **other)]).results == ()
    assert (
        audits_of_this_version(
            "auto: mst", register=[replace(LINE, generator="mst", source_sha256=source_digest("mst"))]
        ).results
        != ()
    )


def test_of_auto_its_own_lines_are_cited_and_those_of_what_it_picked() -> None:
    lines = [
        replace(LINE, id=name, generator=name, source_sha256=source_digest(name)) for name in ("auto", "mst", "aim")
    ]
    assert [line.id for line in audits_of_this_version("auto: mst", register=lines).results] == ["auto", "mst"]
    assert [line.id for line in audits_of_this_version("auto", register=lines).results] == ["auto"]


@pytest.mark.parametrize("name", ["dpctgan", "dptvae", "pategan"])
def test_noise_and_games_of_what_trains_need_the_canary_of_trainings_as_well(name: str) -> None:
    both = [
        replace(LINE, id=campaign, campaign=campaign, layer="L2", generator=name, source_sha256=source_digest(name))
        for campaign in ("worst_case_game", "gradient_canary")
    ]
    assert audits_of_this_version(name, ["L2"], register=both).missing == ()
    for one in both:
        assert audits_of_this_version(name, ["L2"], register=[one]).missing == ("L2",)
    marginals = [replace(both[0], generator="mst", source_sha256=source_digest("mst"))]
    assert audits_of_this_version("mst", ["L2"], register=marginals).missing == ()


def test_what_is_missing_blocks_where_the_policy_asks_for_it_and_a_failure_always() -> None:
    usual, strict = default_policy(), load_policy("strict")
    none = audits_check(audits_of_this_version("mst", register=[]), usual)
    assert none.verdict is Verdict.PASS
    assert "no recorded audit for this version" in none.value
    asked = audits_check(audits_of_this_version("mst", REQUIRED, register=[LINE]), strict)
    assert asked.verdict is Verdict.INCONCLUSIVE
    every = [replace(LINE, id=layer, layer=layer) for layer in REQUIRED]
    assert audits_check(audits_of_this_version("mst", REQUIRED, register=every), strict).verdict is Verdict.PASS
    failed = audits_check(audits_of_this_version("mst", register=[replace(LINE, result="FAIL")]), usual)
    assert failed.verdict is Verdict.FAIL
