"""What an auditor finds who opens a commitment: whether the release is the one that was bound to these values.

Canaries are drawn again from the seed, and, where the model lies beside the opening, so is the table: then every
count of the canary gate is computed anew, on the table as it was before copies of canaries were taken out.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.certification.artefacts import digest_of_table
from dpsynth.certification.canaries import draw_canaries, is_among, recognised_among
from dpsynth.certification.commitment import COMMITMENT, Commitment, rows_to_sample, sampling_stream
from dpsynth.certification.document import CertificateDocument
from dpsynth.certification.policy_file import PRESETS, load_policy
from dpsynth.errors import BundleError, DpsynthError
from dpsynth.generators.balanced_sample import balanced_sample
from dpsynth.generators.fitted_model import load_fitted_model
from dpsynth.randomness import SystemNoise
from dpsynth.schema.schema import Schema

_THRESHOLD_DIGITS = 12
"""To which a certificate rounds a threshold."""

_FIELDS = {"release_id", "configuration", "policy", "epsilon", "delta", "rows", "controls", "seed", "coins"} | {
    "canaries",
    "threshold",
}


class _Opened:
    """The values that were bound, in the types that they stand for."""

    def __init__(self, content: dict[str, Any], columns: int) -> None:
        if content.keys() != _FIELDS:
            raise BundleError("the opening does not hold the values that a release is bound to")
        try:
            self.release_id, self.policy = str(content["release_id"]), str(content["policy"])
            self.configuration = str(content["configuration"])
            self.claim = (Decimal(content["epsilon"]), Decimal(content["delta"]))
            self.rows: int | None = None if content["rows"] is None else int(content["rows"])
            self.controls, self.seed = float(Fraction(content["controls"])), int(content["seed"])
            self.coins = np.array([coin == "1" for coin in content["coins"]], dtype=np.bool_)
            self.canaries = np.array(content["canaries"], dtype=np.int32).reshape(len(self.coins), columns)
            self.threshold = float.fromhex(content["threshold"])
        except (ValueError, TypeError, ArithmeticError) as fault:
            raise BundleError("the opening holds values that no release is bound to") from fault


def audit_opening(place: Path, document: CertificateDocument, schema: Schema) -> str:
    """Return in one sentence what the opening of a commitment shows about a release.

    Args:
        place: the opening, or the internal folder that holds it.
        document: the certificate.
        schema: of the release.

    Raises:
        BundleError: the opening is none, or the release is not the one that was bound; says what differs.
    """
    commitment = Commitment.read(place)
    if document.commitment is None:
        raise BundleError("the certificate names no commitment, so there is nothing to open")
    if commitment.digest != document.commitment.sha256:
        raise BundleError(
            "this is not what the release was bound to: a value in it was changed afterwards, or it belongs to "
            "another release"
        )
    opened = _Opened(dict(commitment.content), len(schema.columns))
    _require_the_same_order(opened, document)
    _require_the_same_canaries(opened, document)
    folder = place if place.is_dir() else place.parent
    said = (_canaries_drawn_again(opened, document, schema), _table_drawn_again(opened, document, folder / "model"))
    return f"the release is the one that was bound before its training; {'; '.join(said)}"


def _require_the_same_order(opened: _Opened, document: CertificateDocument) -> None:
    own = {attempt.configuration for attempt in document.attempts if attempt.release_id == document.scope.release_id}
    claim = (Decimal(document.claim.epsilon), Decimal(document.claim.delta))
    same = {
        "release": opened.release_id == document.scope.release_id,
        "claim": opened.claim == claim,
        "policy": opened.policy == f"{document.policy} {document.policy_sha256}",
        "generator, schema or options": not own - {""} or opened.configuration in own,
        "number of rows": opened.rows is None or document.scope.rows <= opened.rows,
    }
    other = [name for name, holds in same.items() if not holds]
    if other:
        raise BundleError(f"bound was another {' and '.join(other)} than the certificate is about")


def _require_the_same_canaries(opened: _Opened, document: CertificateDocument) -> None:
    stated = document.canaries
    if (len(opened.coins), int(opened.coins.sum())) != (stated.drawn, stated.included):
        raise BundleError("bound were other coins than the certificate counts: canaries were drawn again afterwards")
    if stated.threshold is not None and round(opened.threshold, _THRESHOLD_DIGITS) != stated.threshold:
        raise BundleError("bound was another threshold than the one that the planted rows were recognised by")


def _canaries_drawn_again(opened: _Opened, document: CertificateDocument, schema: Schema) -> str:
    """Refuse planted rows and a threshold that the seed does not give; somebody has chosen them."""
    policy = next((policy for policy in map(load_policy, PRESETS) if policy.identity == opened.policy), None)
    if policy is None:
        return "planted rows were not drawn again, because their policy is none of this version"
    if document.software.get("numpy") != metadata.version("numpy"):
        return "planted rows were not drawn again, because numpy is another one here"
    claim = PrivacyBudget(*opened.claim)
    drawn = draw_canaries(schema, policy, claim, rng=np.random.default_rng(opened.seed), noise=SystemNoise())
    if not np.array_equal(drawn.rows, opened.canaries) or drawn.threshold != opened.threshold:
        raise BundleError("the seed gives other planted rows or another threshold: they were chosen, not drawn")
    return f"the seed gives its {len(drawn.rows)} canaries and their threshold"


def _table_drawn_again(opened: _Opened, document: CertificateDocument, model: Path) -> str:
    """Refuse a table that model and seed do not give, and counts of the gate that this table does not give."""
    if not model.is_dir():
        return f"the table was not drawn again, because no model lies beside {COMMITMENT}"
    try:
        fitted = load_fitted_model(model)
    except DpsynthError:
        return "the table was not drawn again, because the model beside it is not of a kind that can be loaded"
    planted = int(opened.coins.sum())
    length = rows_to_sample(opened.rows, fitted.total, planted=planted, controls=opened.controls)
    sampled = balanced_sample(fitted, length, rng=sampling_stream(opened.seed))
    table = sampled.select(~is_among(sampled.codes, opened.canaries))
    artefacts = document.artefacts
    if digest_of_table(table, artefacts.table_file) != artefacts.table_sha256:
        raise BundleError(
            "model and seed give another table: it was drawn with another seed afterwards, or edited, or the model or "
            "the machine is another one"
        )
    recognised: NDArray[np.bool_] = recognised_among(opened.canaries, sampled, opened.threshold)
    counts = (int((recognised & opened.coins).sum()), int((recognised & ~opened.coins).sum()))
    if counts != (document.canaries.correct, document.canaries.false_positives):
        raise BundleError("the table, drawn again, gives other counts of recognised canaries than the certificate")
    return "model and seed give its table and the counts of its canary gate"
