"""The JSON of an internal audit: every number with its unit, direction, control value, bounds, reading and sentence."""

from __future__ import annotations

from dpsynth.accounting.events import JsonValue
from dpsynth.attacks.findings import SuiteFindings
from dpsynth.attacks.result import DIRECTION, AttackResult


def findings_to_json(findings: SuiteFindings) -> dict[str, JsonValue]:
    """Return what the suite found as JSON members; of exposed rows their positions only."""
    exposed = findings.exposed
    return {
        "results": [result_to_json(result) for result in findings.results],
        "strata": [
            {"label": one.label, "members": one.members, "controls": one.controls, "tolerance_factor": one.slack}
            for one in findings.strata
        ],
        "untested": [
            {
                "stratum": one.stratum,
                "statistic": one.statistic.value,
                "hypotheses": one.hypotheses,
                "members": one.members,
                "controls": one.controls,
            }
            for one in findings.untested
        ],
        "secrets": list(findings.secrets),
        "failed": [{"attack": one.attack, "error": one.error} for one in findings.failed],
        "exposed_rows": {
            "score": exposed.score,
            "false_discovery_rate": exposed.rate,
            "count": len(exposed.rows),
            "rows": list(exposed.rows),
            "tested": exposed.tested,
            "controls": exposed.controls,
        },
        "roc": [
            {
                "attack": curve.attack,
                "variant": curve.variant,
                "points": [[false_rate, true_rate] for false_rate, true_rate in curve.points],
            }
            for curve in findings.curves
        ],
        "distances": [
            {
                "to": one.to,
                "edges": list(one.edges),
                "members": list(one.members),
                "controls": list(one.controls),
            }
            for one in findings.distances
        ],
    }


def result_to_json(result: AttackResult) -> dict[str, JsonValue]:
    """Return one result with everything that is needed to believe it."""
    return {
        "attack": result.attack,
        "variant": result.variant,
        "stratum": result.stratum,
        "statistic": result.statistic.value,
        "unit": result.statistic.unit,
        "direction": DIRECTION,
        "estimate": result.interval.estimate,
        "lower": result.interval.lower,
        "upper": result.interval.upper,
        "confidence": result.interval.confidence,
        "control_value": result.control_value,
        "neutral_value": result.neutral_value,
        "tolerance": result.tolerance,
        "p_value": result.p_value,
        "adjusted_p_value": result.adjusted_p_value,
        "significance": result.significance,
        "smallest_detectable": result.smallest_detectable,
        "members": result.members,
        "controls": result.controls,
        "decisive": result.decisive,
        "reading": result.reading.value,
        "sentence": result.sentence,
        "power": result.power_statement,
    }
