"""A release of code without passed audits on record is refused before it is charged, unless none are asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.certification.certificate import Override
from dpsynth.certification.implementation_audits import FOREIGN, AuditResult, audited_name, source_digest
from dpsynth.certification.plan import ReleasePlan, plan_release
from dpsynth.certification.policy import Policy, Verdict
from dpsynth.certification.policy_file import load_policy
from dpsynth.errors import CertificationRefused
from dpsynth.export import Release
from dpsynth.generators.independent import Independent
from dpsynth.generators.registry import GENERATORS, generator
from dpsynth.ledger import Ledger
from dpsynth.release import release
from tests.certification.made_releases import survey_rows, survey_schema, table_of
from tests.current_register import current_register, policy_that_asks_for_no_audit

ASKING = ("strict", "default", "research", "ema-0070")
CLAIM = PrivacyBudget(1, "1e-6")
ROWS = 3_000
ORDERED = Override(by="Ada", reason="a test")
Recorded = Callable[[Sequence[AuditResult]], None]


class Own(Independent):
    """What a user may write: a generator of the registry with a change, under the name that it inherits."""


class Posing(Independent):
    """The same, and it says of itself that the package defines it."""

    __module__ = "dpsynth.generators.independent"


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """Put a register in the place of all others."""

    def put(lines: Sequence[AuditResult]) -> None:
        monkeypatch.setattr("dpsynth.certification.implementation_audits._shipped_register", lambda: tuple(lines))

    return put


@pytest.fixture
def ledger(tmp_path: Path, few_attacks: None) -> Ledger:
    books, schema = Ledger(tmp_path / "ledger.db"), survey_schema(ROWS)
    books.set_budget(schema.dataset, PrivacyBudget(3, "1e-5"), unit=schema.unit.describe())
    return books


def lines_of(name: str) -> list[AuditResult]:
    """Return the register of tests as if it were of one generator."""
    return [
        replace(line, id=f"{line.id}-{name}", generator=name, source_sha256=source_digest(name))
        for line in current_register()
    ]


def released(folder: Path, books: Ledger, policy: Policy, maker: Any = "independent", **more: Any) -> Release:
    schema = survey_schema(ROWS)
    rows = table_of(survey_rows(ROWS, np.random.default_rng(4), schema), schema).to_pandas()
    return release(rows, schema, CLAIM, out=folder / "out", ledger=books, generator=maker, policy=policy, **more)


def planned(books: Ledger, policy: Policy, maker: Any) -> ReleasePlan:
    return plan_release(survey_schema(ROWS), CLAIM, ledger=books, generator=maker, policy=policy)


def of_certificate(made: Release) -> tuple[Verdict, str, str, str]:
    """Return the verdict, and of the check its verdict, what was found and what is allowed."""
    content = json.loads((made.folder / "certificate.json").read_text(encoding="utf-8"))
    check = next(each for each in content["checks"] if each["name"] == "implementation audits")
    return Verdict(content["verdict"]), check["verdict"], check["value"], check["limit"]


@pytest.mark.parametrize("policy", ASKING)
@pytest.mark.parametrize("stale", ["nothing", "another source", "another version", "another generator"])
def test_code_without_current_audits_is_refused_before_the_charge(
    tmp_path: Path, ledger: Ledger, recorded: Recorded, policy: str, stale: str
) -> None:
    changes: dict[str, dict[str, str]] = {
        "another source": {"source_sha256": "0" * 64},
        "another version": {"software_version": "0.0.9"},
        "another generator": {"generator": "mst", "source_sha256": source_digest("mst")},
    }
    recorded([] if stale == "nothing" else [replace(line, **changes[stale]) for line in lines_of("independent")])
    with pytest.raises(CertificationRefused, match="Nothing was read or charged") as refused:
        released(tmp_path, ledger, load_policy(policy))
    *_, reason = refused.value.reasons
    assert f"policy '{policy}' asks for passed audits of the very code that runs, in L0, L1, L2" in reason
    assert "none is on record in L0, L1, L2" in reason
    assert "leaves `audit_layers` empty" in reason
    assert ledger.head().index == 1
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out-internal").exists()


def test_what_is_to_be_done_depends_on_what_is_the_matter(
    ledger: Ledger, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded([])
    usual, maker = load_policy("default"), generator("mwem")
    version = "dpsynth.certification.implementation_audits._version"
    monkeypatch.setattr(version, lambda: "9.9.9")
    (changed,) = planned(ledger, usual, maker).obstacles
    assert "of mwem, version 9.9.9, source" in changed
    assert "python -m privacy_audits.register --check" in changed
    assert "`dpsynth audit implementation --generator mwem`" in changed
    (chosen,) = planned(ledger, usual, generator("auto")).obstacles
    assert any(f"`dpsynth audit implementation --generator {entry.name}`" in chosen for entry in GENERATORS)
    assert "--generator auto" not in chosen
    monkeypatch.setattr(version, lambda: "not installed as a package")
    (uninstalled,) = planned(ledger, usual, maker).obstacles
    assert "pip install -e ." in uninstalled


def test_only_what_is_missing_is_named(ledger: Ledger, recorded: Recorded) -> None:
    recorded([line for line in lines_of("mwem") if line.layer != "L1"])
    plan = planned(ledger, load_policy("default"), generator("mwem"))
    (obstacle,) = plan.obstacles
    assert "in L0, L1, L2; of mwem" in obstacle
    assert "none is on record in L1. " in obstacle
    assert "of-the-tests-replay-L0-mwem (L0)" in plan.audits
    assert plan.audits.endswith("not on record: L1")
    assert plan.gate.startswith("the record gate counts people")


@pytest.mark.parametrize("policy", ["default", "research", "ema-0070"])
def test_with_passed_audits_a_release_goes_out_and_cites_them(
    tmp_path: Path, ledger: Ledger, recorded: Recorded, policy: str
) -> None:
    recorded(lines_of("independent"))
    assert planned(ledger, load_policy(policy), generator("independent")).obstacles == ()
    # One honest release in some dozens has too little luck with its gate; the test is about the audits.
    made = released(tmp_path, ledger, load_policy(policy), override=ORDERED)
    verdict, of_audits, found, limit = of_certificate(made)
    assert verdict is not Verdict.FAIL
    assert of_audits == "PASS"
    assert limit == "a passed audit of: L0, L1, L2"
    for line in lines_of("independent"):
        assert f"{line.id} ({line.layer})" in found
        assert line.id in (made.folder / "report.html").read_text(encoding="utf-8")


def test_a_person_may_order_it_all_the_same_and_the_certificate_is_inconclusive(
    tmp_path: Path, ledger: Ledger, recorded: Recorded
) -> None:
    recorded([])
    made = released(tmp_path, ledger, load_policy("default"), override=ORDERED)
    verdict, of_audits, found, limit = of_certificate(made)
    assert verdict is not Verdict.PASS
    assert of_audits == "INCONCLUSIVE"
    assert "no recorded audit for this version" in found
    assert limit == "a passed audit of: L0, L1, L2"
    page = (made.folder / "report.html").read_text(encoding="utf-8")
    assert "By this policy no release passes without them" in page


@pytest.mark.parametrize("asking", [True, False])
def test_a_failed_audit_fails_every_release_also_where_none_is_asked_for(
    tmp_path: Path, ledger: Ledger, recorded: Recorded, asking: bool
) -> None:
    first, *others = lines_of("independent")
    recorded([replace(first, result="FAIL"), *others])
    policy = load_policy("default" if asking else policy_that_asks_for_no_audit(tmp_path))
    with pytest.raises(CertificationRefused, match=f"has failed {first.id}, and no policy lets that pass"):
        released(tmp_path, ledger, policy)
    assert ledger.head().index == 1
    verdict, of_audits, found, _ = of_certificate(released(tmp_path, ledger, policy, override=ORDERED))
    assert (verdict, of_audits) == (Verdict.FAIL, "FAIL")
    assert f"failed {first.id}" in found


def test_a_generator_of_somebody_else_is_not_covered_by_the_name_that_it_bears(
    tmp_path: Path, ledger: Ledger, recorded: Recorded
) -> None:
    recorded(lines_of("independent"))
    assert Own().name == "independent"
    with pytest.raises(CertificationRefused, match="no other package") as refused:
        released(tmp_path, ledger, load_policy("default"), Own())
    assert FOREIGN in refused.value.reasons[0]
    assert "`dpsynth audit implementation" not in refused.value.reasons[0]
    assert ledger.head().index == 1


@pytest.mark.parametrize("maker", [Own(), Posing()])
def test_neither_is_it_by_lines_about_all_generators_or_by_the_module_that_it_names(
    ledger: Ledger, recorded: Recorded, maker: Independent
) -> None:
    recorded(current_register())
    assert {line.generator for line in current_register()} == {"all"}
    assert planned(ledger, load_policy("default"), generator("independent")).obstacles == ()
    (obstacle,) = planned(ledger, load_policy("default"), maker).obstacles
    assert f"of {FOREIGN}" in obstacle
    assert "none is on record in L0, L1, L2" in obstacle


def test_a_failed_audit_of_all_generators_refuses_those_of_others_too(ledger: Ledger, recorded: Recorded) -> None:
    first, *others = current_register()
    recorded([replace(first, result="FAIL"), *others])
    (obstacle,) = planned(ledger, load_policy("default"), Own()).obstacles
    assert "no policy lets that pass" in obstacle


def test_a_policy_of_ones_own_may_ask_for_nothing_and_the_certificate_says_so(
    tmp_path: Path, ledger: Ledger, recorded: Recorded
) -> None:
    recorded([])
    policy = load_policy(policy_that_asks_for_no_audit(tmp_path))
    plan = planned(ledger, policy, Own())
    assert plan.obstacles == ()
    assert plan.audits.startswith("no recorded audit for this version")
    made = released(tmp_path, ledger, policy, Own(), override=ORDERED)
    verdict, of_audits, found, limit = of_certificate(made)
    assert verdict is not Verdict.FAIL
    assert of_audits == "PASS"
    assert "no recorded audit for this version" in found
    assert limit == "none failed; this policy asks for none, and lists them"
    assert "this policy asks for none" in (made.folder / "report.html").read_text(encoding="utf-8")


def test_every_generator_of_the_registry_has_its_own_name_in_the_register() -> None:
    for entry in GENERATORS:
        if not entry.extra:
            assert audited_name(generator(entry.name)) == entry.name
    assert audited_name(generator("auto"), "mst") == "auto: mst"
    assert audited_name(Own()) == audited_name(Posing()) == FOREIGN
