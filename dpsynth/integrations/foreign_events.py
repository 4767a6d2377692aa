"""What other tools say that they spent, as events.

Works on plain values: numbers, pairs, or objects with attributes of the right names. None of the tools is imported.
Amounts are read exactly and rounded up, and totals that a tool computed are not trusted: single spends are added here.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction

from dpsynth.accounting.budget import exact_decimal
from dpsynth.accounting.events import (
    ApproximateDpEvent,
    ComposedDpEvent,
    DpEvent,
    NonPrivateDpEvent,
    NoOpDpEvent,
    SelfComposedDpEvent,
    ZCDpEvent,
)
from dpsynth.errors import InvalidInput

_EPSILON_DIGITS, _DELTA_DIGITS = 12, 24
_ADVICE_FOR_OPENDP = {
    "smoothedmaxdivergence": "fix a delta first (make_fix_delta), and give the pair that its map then returns",
    "renyidivergence": "make it a measurement of another measure first",
}


def spend_event(*, epsilon: object = None, delta: object = 0, rho: object = None) -> DpEvent:
    """Return the event of a spend: (`epsilon`, `delta`), or `rho` zero-concentrated with the failure chance `delta`.

    Amounts may be int, float, Decimal, Fraction, text, or an exact number of another tool whose text is one of these. A
    float stands for the decimal that a person would write for it. Without a bound on an amount, nothing was protected.

    Raises:
        InvalidInput: neither or both of `epsilon` and `rho` are given, or an amount means nothing.
    """
    if (epsilon is None) == (rho is None):
        raise InvalidInput("a spend is an epsilon or a rho, each with a delta or without")
    chance = amount_of("delta", delta)
    if rho is None:
        spent = amount_of("epsilon", epsilon)
        if spent is None or chance is None or chance >= 1:
            return NonPrivateDpEvent()
        return ApproximateDpEvent(_rounded_up(spent, _EPSILON_DIGITS), _rounded_up(chance, _DELTA_DIGITS))
    concentrated = amount_of("rho", rho)
    if concentrated is None or chance is None or chance >= 1:
        return NonPrivateDpEvent()
    exact = ZCDpEvent(Fraction(_rounded_up(concentrated, _EPSILON_DIGITS)))
    if not chance:
        return exact
    return ComposedDpEvent((exact, ApproximateDpEvent(Decimal(0), _rounded_up(chance, _DELTA_DIGITS))))


def smartnoise_event(spends: object) -> DpEvent:
    """Return the event of what SmartNoise SQL spent.

    Args:
        spends: (epsilon, delta) pairs, one per answered column, as `reader.odometer.steps` holds them; or an odometer.
            Its total `spent` is not read, because SmartNoise computes it by formulas that can be too small.

    Raises:
        InvalidInput: it is neither, or an amount means nothing.
    """
    steps = getattr(spends, "steps", spends)
    if not isinstance(steps, Iterable):
        # The odometer for equal spends keeps their number.
        privacy, count = getattr(spends, "privacy", None), getattr(spends, "k", None)
        if privacy is None or isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise InvalidInput("SmartNoise spends are (epsilon, delta) pairs, such as `reader.odometer.steps`")
        return _repeated(spend_event(epsilon=privacy.epsilon, delta=privacy.delta or 0), count)
    found: Counter[DpEvent] = Counter()
    for step in steps:
        epsilon, delta = _pair(step, "a spend of SmartNoise is a pair (epsilon, delta)")
        found[spend_event(epsilon=epsilon, delta=0 if delta is None else delta)] += 1
    return ComposedDpEvent(tuple(_repeated(event, count) for event, count in found.items()))


def opendp_event(loss: object, measure: str) -> DpEvent:
    """Return the event of one release by an OpenDP measurement.

    Args:
        loss: what `measurement.map(d_in)` returned at the distance of one privacy unit: a number or a pair.
        measure: the text of `measurement.output_measure`.

    Raises:
        InvalidInput: the measure is none that can be charged, or `loss` does not belong to it.
    """
    name = re.sub(r"f64|f32|[^a-z]", "", measure.lower())
    if name == "maxdivergence":
        return spend_event(epsilon=loss)
    if name == "zeroconcentrateddivergence":
        return spend_event(rho=loss)
    if name in {"fixedsmoothedmaxdivergence", "approximatemaxdivergence"}:
        epsilon, delta = _pair(loss, f"the loss of {measure} is a pair (epsilon, delta)")
        return spend_event(epsilon=epsilon, delta=delta)
    if name == "approximatezeroconcentrateddivergence":
        rho, delta = _pair(loss, f"the loss of {measure} is a pair (rho, delta)")
        return spend_event(rho=rho, delta=delta)
    advice = _ADVICE_FOR_OPENDP.get(name, "known are max, zero-concentrated, and approximate divergences")
    raise InvalidInput(f"the measure {measure[:80]!r} of OpenDP cannot be charged: {advice}")


def tumult_event(initial: object, remaining: object = None) -> DpEvent:
    """Return the event of what a Tumult Analytics session spent.

    Args:
        initial: a privacy budget: an object or a mapping with `epsilon` and perhaps `delta`, or with `rho`.
        remaining: what was left of it, as `session.remaining_privacy_budget` says; None where `initial` is what was
            spent.

    Raises:
        InvalidInput: they are no budgets, of two kinds, or more is left than there was.
    """
    spent = _parts(initial)
    if remaining is not None:
        left = _parts(remaining)
        if ("rho" in left) != ("rho" in spent):
            raise InvalidInput("two Tumult budgets of different kinds cannot be subtracted")
        spent = {name: _difference(name, amount, left.get(name, Fraction(0))) for name, amount in spent.items()}
    return spend_event(**{name: "inf" if amount is None else amount for name, amount in spent.items()})


def exported_event(tool: str, document: Mapping[str, object]) -> DpEvent:
    """Return the event of what `tool` wrote to a JSON file.

    Args:
        tool: "smartnoise-sql" for {"steps": [[epsilon, delta], ...]}, "opendp" for {"loss": ..., "measure": ...},
            "tumult" for {"initial": {...}, "remaining": {...}}; any other for {"epsilon": ..., "delta": ...} or
            {"rho": ...}, which these three may also give.
        document: the object in the file.

    Raises:
        InvalidInput: it has other fields, or an amount means nothing.
    """
    found = frozenset(document)
    if tool == "smartnoise-sql" and found == {"steps"}:
        return smartnoise_event(document["steps"])
    if tool == "opendp" and found == {"loss", "measure"}:
        return opendp_event(document["loss"], str(document["measure"]))
    if tool == "tumult" and "initial" in found <= {"initial", "remaining"}:
        return tumult_event(document["initial"], document.get("remaining"))
    if found <= {"epsilon", "delta", "rho"}:
        amounts = {name: value for name, value in document.items() if value is not None}
        return spend_event(**amounts)
    raise InvalidInput(f"{tool} is not known to write {', '.join(sorted(map(str, found)))[:80]}")


def amount_of(name: str, value: object) -> Fraction | None:
    """Return `value` exactly; None where it has no bound.

    Raises:
        InvalidInput: it is negative, not a number, or a truth value.
    """
    if isinstance(value, bool) or value is None:
        raise InvalidInput(f"{name} must be a number, not {value}")
    if isinstance(value, Fraction):
        written = str(value)
    else:
        written = float.__repr__(float(value)) if isinstance(value, float) else str(value).strip()
    if written.lower().lstrip("+") in {"inf", "infinity", "oo"}:
        return None
    upper, slash, lower = written.partition("/")
    divisor = Fraction(exact_decimal(name, lower)) if slash else Fraction(1)
    if divisor == 0:
        raise InvalidInput(f"{name} must not be divided by zero")
    return Fraction(exact_decimal(name, upper)) / divisor


def _rounded_up(amount: Fraction, digits: int) -> Decimal:
    return Decimal(f"{math.ceil(amount * 10**digits)}e-{digits}")


def _repeated(event: DpEvent, count: int) -> DpEvent:
    if not count:
        return NoOpDpEvent()
    return event if count == 1 else SelfComposedDpEvent(event, count)


def _pair(value: object, expected: str) -> tuple[object, object]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise InvalidInput(expected)
    return value[0], value[1]


def _parts(budget: object) -> dict[str, Fraction | None]:
    found = {name: _part(budget, name) for name in ("epsilon", "delta", "rho")}
    given = {name: amount_of(name, value) for name, value in found.items() if value is not None}
    if ("epsilon" in given) == ("rho" in given):
        raise InvalidInput("a Tumult budget has an epsilon, or a rho")
    return given


def _part(budget: object, name: str) -> object:
    return budget.get(name) if isinstance(budget, Mapping) else getattr(budget, name, None)


def _difference(name: str, amount: Fraction | None, left: Fraction | None) -> Fraction | None:
    if amount is None:
        # What is taken from infinity cannot be read off what is left of it.
        return None
    if left is None or left > amount:
        raise InvalidInput(f"more {name} is left than there was")
    return amount - left
