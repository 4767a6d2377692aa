"""The public report: one self-contained page, rendered from the bytes of a certificate and from nothing else."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from dpsynth.accounting.unit import NeighboringRelation
from dpsynth.certification import layout
from dpsynth.certification.certificate import Certificate
from dpsynth.certification.document import CertificateDocument
from dpsynth.report import wording
from dpsynth.report.annex import ANNEX, PREAMBLE
from dpsynth.report.power_curve import power_curve_of, power_picture, power_sentence
from dpsynth.report.record_gate_view import record_gate_of, record_gate_picture, record_gate_power
from dpsynth.report.trade_off import trade_off_picture, trade_off_table
from dpsynth.report.waterfall import waterfall_of, waterfall_picture

if TYPE_CHECKING:
    from jinja2 import Environment

_MOST_UTILITY_ROWS = 15
_MOST_ERROR_BARS = 10

_RELATIONS = {
    NeighboringRelation.ADD_OR_REMOVE_ONE.value: "neighboring tables: one is added or removed",
}


def render_report(certificate_json: bytes) -> str:
    """Return the page of a certificate; the same bytes give the same page.

    The page needs no network, follows the reader's light or dark setting, prints, and names the certificate that it
    was rendered from by its SHA-256.

    Raises:
        BundleError: `certificate_json` is not a certificate in canonical form.
    """
    from markupsafe import Markup

    document = Certificate.from_json(certificate_json).document
    digest = hashlib.sha256(certificate_json).hexdigest()
    epsilon, delta = float(document.claim.epsilon), float(document.claim.delta)
    worst = sorted(document.utility, key=lambda row: (-row.total_variation, row.columns))
    environment = template_environment()
    power, fall = power_curve_of(document), waterfall_of(document)
    gate = record_gate_of(document)
    return environment.get_template(
        "report.html.j2"
    ).render(
        d=document,
        mark=Markup(layout.report_mark(digest)),  # noqa: S704 - hexadecimal digits in fixed markup
        style=style_sheet(environment),
        picture=Markup(trade_off_picture(epsilon, delta, document.canaries)),  # noqa: S704 - drawn from numbers
        certificate_sha256=digest,
        verdict_sentence=wording.VERDICT_SENTENCES[document.verdict],
        relation=_RELATIONS.get(document.scope.neighboring_relation, document.scope.neighboring_relation),
        met=sum(check.passed for check in document.checks),
        promise=wording.promise(document),
        trade_off=trade_off_table(epsilon, delta),
        canary_story=wording.canary_story(document),
        power=power,
        power_sentence="" if power is None else power_sentence(power),
        power_picture="" if power is None else Markup(power_picture(power)),  # noqa: S704 - drawn from numbers
        gate=gate,
        gate_power="" if gate is None else record_gate_power(gate),
        gate_picture="" if gate is None else Markup(record_gate_picture(gate)),  # noqa: S704 - drawn from numbers
        layers=wording.AUDIT_LAYERS,
        waterfall=fall,
        waterfall_picture="" if fall is None else Markup(waterfall_picture(fall)),  # noqa: S704 - text is escaped
        annex=ANNEX,
        annex_preamble=PREAMBLE,
        charges=wording.charge_groups(document.claim.charges),
        mu_squared=_mu_squared(document),
        utility=worst[:_MOST_UTILITY_ROWS],
        hidden_utility=max(0, len(worst) - _MOST_UTILITY_ROWS),
        unmeasured=wording.unmeasured_pairs(document.utility),
        accuracy=wording.accuracy(document.error_bars),
        largest_bars=sorted(document.error_bars.bars, key=lambda bar: (-bar.expected, bar.columns))[:_MOST_ERROR_BARS],
        parameters=", ".join(
            f"{name} {value}" for name, value in document.generator.parameters.items() if value is not None
        ),
        software=", ".join(f"{name} {version}" for name, version in document.software.items()),
    )


def template_environment() -> Environment:
    """Return the templates of this package, with everything escaped and undefined names refused."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("dpsynth.report", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {"percent": wording.percent, "plain": wording.plain_number, "grouped": wording.grouped}
    return environment


def style_sheet(environment: Environment) -> str:
    """Return the style sheet of all pages, marked as safe to embed."""
    from markupsafe import Markup

    return Markup(environment.get_template("style.css").render())  # noqa: S704 - a file of this package


def _mu_squared(document: CertificateDocument) -> str:
    if document.claim.mu_squared is None:
        return ""
    numerator, _, denominator = document.claim.mu_squared.partition("/")
    return f"{int(numerator) / int(denominator or '1'):.6f}"
