"""What is publicly known about a table: columns, schema, domain, codec, and the synthetic table in its terms."""

from dpsynth.schema.codec import encode_cells
from dpsynth.schema.columns import Column, ColumnKind
from dpsynth.schema.domain import Clique, Domain
from dpsynth.schema.draft import draft_schema
from dpsynth.schema.json_schema import json_schema
from dpsynth.schema.schema import Schema
from dpsynth.schema.table import SyntheticTable
from dpsynth.schema.workload import Workload

__all__ = [
    "Clique",
    "Column",
    "ColumnKind",
    "Domain",
    "Schema",
    "SyntheticTable",
    "Workload",
    "draft_schema",
    "encode_cells",
    "json_schema",
]
