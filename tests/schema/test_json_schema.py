"""The published JSON Schema is current and agrees with what is accepted."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from dpsynth.schema import json_schema
from dpsynth.schema.examples import example_schema
from dpsynth.schema.schema import Schema

PROJECT = Path(__file__).parents[2]
PUBLISHED = PROJECT / "docs" / "reference" / "schema.json"
EXAMPLES = sorted((PROJECT / "docs" / "examples").glob("*.schema.yaml"))


def test_the_published_file_is_current() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == json.dumps(json_schema(), indent=2) + "\n", (
        "write it anew with: dpsynth schema json-schema > docs/reference/schema.json"
    )


def test_the_published_file_is_a_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_follow_it(path: Path) -> None:
    jsonschema.validate(yaml.safe_load(Schema.from_yaml(path).to_yaml()), json_schema())


def test_the_embedded_example_follows_it() -> None:
    jsonschema.validate(yaml.safe_load(example_schema("randhie").to_yaml()), json_schema())


@pytest.mark.parametrize(
    "change",
    [{"colour": "red"}, {"fields": []}, {"fields": [{"name": "x"}]}, {"fields": [{"name": "x",
    "type": "text"}]}, {"dpsynth": {}},
     {"fields": [{"name": "x", "type": "integer", "dpsynth": {"bins": 0}}]}],
)  # fmt: skip
def test_it_refuses_unknown_keys_and_forms(change: dict[str, object]) -> None:
    good = {"name": "t", "dpsynth": {"unit": {"kind": "row"}}, "fields": [{"name": "x", "type": "boolean"}]}
    jsonschema.validate(good, json_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**good, **change}, json_schema())


def test_every_key_is_explained_in_the_reference() -> None:
    text = (PROJECT / "docs" / "reference" / "schema.md").read_text(encoding="utf-8")
    described = json_schema()
    keys = {key for part in [described, *described["$defs"].values()] for key in part.get("properties", {})}
    assert {key for key in keys if f"`{key}`" not in text} == set()
