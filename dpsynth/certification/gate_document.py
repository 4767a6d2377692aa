"""Sections of the certificate about the record gate and about audits of the implementation."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dpsynth.certification.document_fields import Difference, ExactNumber, Outcome, Section, Sha256, Share


class RecordGateSection(Section):
    """Noisy counts of people whom the synthetic table matches, and what they say; the counts were charged."""

    epsilon: ExactNumber
    """Epsilon that the question cost, out of the claim."""
    delta: ExactNumber
    """Delta that it cost."""
    members: tuple[int, ...]
    """Noisy numbers of units in training with an equal row, with a near one, and with neither; empty if unanswered."""
    controls: tuple[int, ...]
    """The same of units that were held back from training."""
    noise_stddev: Annotated[float, Field(ge=0)]
    """Standard deviation of the noise of each number; 0 if unanswered."""
    significance: Share
    """Chance of a wrong bound that is allowed."""
    copy_tolerance: Share
    """Tolerated excess of members with an equal row over controls with one."""
    tolerance: Share
    """Tolerated excess of members with a near or equal row."""
    copy_lower: Difference
    """Lower bound on the excess of equal rows."""
    copy_upper: Difference
    """Upper bound on it; a pass needs this at or below its tolerance."""
    near_lower: Difference
    """Lower bound on the excess of near or equal rows."""
    near_upper: Difference
    """Upper bound on it; a pass needs this at or below its tolerance."""
    verdict: Outcome
    """What the gate decided."""
    reasons: tuple[str, ...]
    """Why, in sentences."""


class PowerSection(Section):
    """The smallest leaks that the gates find with a stated probability; null where even the largest is not found."""

    probability: Share
    """With which probability."""
    planted_rows: Share | None
    """Share of the planted rows that must be given away for the canary gate to fail; null also without canaries."""
    equal: Share | None
    """Excess of members with an equal row that fails the record gate; null also where it was not asked."""
    near: Share | None
    """The same of members with a near or equal row."""


class AuditResultSection(Section):
    """One recorded audit of the implementation."""

    later: ClassVar[frozenset[str]] = frozenset()

    id: str
    """Its name in the register."""
    campaign: str
    """The campaign that it belongs to."""
    generator: str
    """The generator that was audited; `all` where it does not matter."""
    layer: Literal["L0", "L1", "L2", "L3", "L4"]
    """What was audited: replay, noise residuals, worst-case game, primitives, or one run of everything."""
    result: Literal["PASS", "FAIL"]
    """What came out."""
    date: str
    """When."""
    file: str
    """The file with the raw counts, below `privacy_audits`."""


class AuditsSection(Section):
    """Audits of the implementation that are recorded for the very version that made the release."""

    software_version: str
    """Version of the software."""
    source_sha256: Sha256
    """Digest of its source code, as far as a fit of the generator can run it."""
    results: tuple[AuditResultSection, ...]
    """Recorded results for this version and the generator of the release; none is none."""
    missing: tuple[str, ...]
    """Layers that the policy asks for and that have no result."""
