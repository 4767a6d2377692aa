"""Policies as files: presets, files that build on them, and files that say what no policy says."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.certification.policy import default_policy
from dpsynth.certification.policy_file import PRESETS, load_policy, policy_text
from dpsynth.errors import InvalidInput

OWN = "name: house\npurpose: For this house.\nextends: default\nthresholds:\n"
LIMIT = "  max_epsilon: {value: 2, reason: The board said so., source: Minutes of the board}\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "house.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_printed_whole_is_the_same_policy(name: str, tmp_path: Path) -> None:
    policy = load_policy(name)
    again = load_policy(written(tmp_path, policy_text(policy)))
    assert again == policy
    assert again.digest == policy.digest


def test_presets_differ_and_the_strict_one_allows_less() -> None:
    assert len({load_policy(name).digest for name in PRESETS}) == len(PRESETS)
    strict, usual = load_policy("strict"), default_policy()
    assert strict.max_epsilon < usual.max_epsilon
    assert strict.canary_tolerance < usual.canary_tolerance
    assert load_policy("ema-0070").canary_tolerance == Fraction(9, 100)


def test_a_file_takes_over_what_it_does_not_name(tmp_path: Path) -> None:
    policy = load_policy(written(tmp_path, OWN + LIMIT))
    assert (policy.name, policy.max_epsilon) == ("house", Decimal(2))
    assert policy.reasons["max_epsilon"] == "The board said so."
    assert policy.canaries == default_policy().canaries
    assert policy.digest != default_policy().digest


def test_the_digest_is_of_content_and_not_of_spelling(tmp_path: Path) -> None:
    first = load_policy(written(tmp_path, OWN + LIMIT))
    second = load_policy(written(tmp_path, "# our own\n" + OWN + LIMIT.replace("value: 2", 'value: "2.0"')))
    other = load_policy(written(tmp_path, OWN + LIMIT.replace("The board", "Nobody")))
    assert first.digest == second.digest != other.digest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [", r"house.yaml is not YAML"),
        ("- 1", r"house.yaml: the file must be a list of keys"),
        (OWN + LIMIT + "surplus: 1\n", r"house.yaml: the file has no key 'surplus'"),
        (OWN + LIMIT.replace("max_epsilon", "max_epsilom"), r"house.yaml: thresholds has no key 'max_epsilom'"),
        (OWN + LIMIT.replace("source", "sauce"), r"house.yaml: thresholds.max_epsilon has no key 'sauce'"),
        (OWN + "  max_epsilon: {value: 2, reason: why}\n", r"thresholds.max_epsilon.source is missing"),
        (OWN + LIMIT.replace("The board said so.", "''"), r"thresholds.max_epsilon.reason must be a text"),
        (OWN + LIMIT.replace("value: 2", "value: two"), r"thresholds.max_epsilon.value must be a number.*'two'"),
        (OWN + LIMIT.replace("value: 2", "value: [2]"), r"thresholds.max_epsilon.value must be a number or a text"),
        (OWN + LIMIT.replace("value: 2", "value: nan"), r"thresholds.max_epsilon.value must be a number"),
        (OWN + LIMIT.replace("value: 2", "value: -1"), r"house.yaml: .*out of range: max_epsilon"),
        (OWN + LIMIT.replace("max_epsilon", "canaries").replace("value: 2", "value: 2.5"), r"must be a whole number"),
        (OWN.replace("default", "defoult") + LIMIT, r"extends must be one of"),
        (OWN.replace("extends: default\n", "") + LIMIT, r"thresholds.max_delta is missing"),
        (OWN + LIMIT + LIMIT, r"the key 'max_epsilon' is given twice"),
        (LIMIT.join(["purpose: x\nextends: default\nthresholds:\n", ""]), r"house.yaml: name must be a text"),
    ],
)
def test_what_no_policy_says_is_refused_by_file_and_key(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=said):
        load_policy(written(tmp_path, text))


def test_a_name_that_is_no_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="strict, default, ema-0070, research"):
        load_policy("lenient")
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_policy(tmp_path / "absent.yaml")
