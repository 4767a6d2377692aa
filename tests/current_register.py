"""A register of audits that is current wherever tests run, so that what they try is not whether audits are.

A checkout that is not installed has no version, and code that has just changed has not been audited yet: under the
shipped register no policy but one that asks for nothing would let a release pass there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from dpsynth.certification.implementation_audits import AuditResult, audits_of_this_version, source_digest

NOTHING_ASKED = """\
name: of-the-tests
purpose: For processes of their own, which see the register that is shipped.
extends: default
thresholds:
  audit_layers:
    value: ""
    reason: A test of something else.
    source: None.
"""


@cache
def current_register() -> tuple[AuditResult, ...]:
    """Return a passed line for every layer and campaign that is asked of any generator, those of tests included."""
    version, source = audits_of_this_version("all", register=()).software_version, source_digest("all")
    campaigns = (
        ("replay", "L0"),
        *(("worst_case_game", layer) for layer in ("L1", "L2")),
        *(("gradient_canary", layer) for layer in ("L1", "L2")),
    )
    return tuple(
        AuditResult(
            f"of-the-tests-{campaign.replace('_', '-')}-{layer}",
            campaign,
            "all",
            layer,
            version,
            source,
            "PASS",
            "2026-03-01",
            f"{campaign}/results/none.json",
        )
        for campaign, layer in campaigns
    )


@contextmanager
def in_place_of_the_shipped_one() -> Iterator[None]:
    """Let releases of this process see `current_register`."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("dpsynth.certification.implementation_audits._shipped_register", current_register)
        yield


def policy_that_asks_for_no_audit(folder: Path) -> Path:
    """Write a policy file, the default without `audit_layers`: for processes in which nothing is patched."""
    file = folder / "no-audit-asked.yaml"
    file.write_text(NOTHING_ASKED, encoding="utf-8")
    return file
