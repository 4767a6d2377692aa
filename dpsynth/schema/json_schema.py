"""The JSON Schema that schema files follow, for editors and validators."""

from __future__ import annotations

from typing import Any

from dpsynth.schema.document import TableDocument


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a schema file, published as `docs/reference/schema.json`.

    It knows keys and forms; whether the parts fit together is checked when the file is read.
    """
    described = TableDocument.model_json_schema(by_alias=True, mode="validation")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **described,
        "title": "dpsynth schema file",
        "description": "What is publicly known about a table: Table Schema with a dpsynth block.",
    }
