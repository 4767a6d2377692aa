"""`dpsynth schema`: draft, check and describe schemas."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from dpsynth.cli.console import ERR, OUT
from dpsynth.curator.header import read_header
from dpsynth.errors import BundleError, SchemaError, SchemaProblem
from dpsynth.schema import draft_schema, json_schema
from dpsynth.schema.schema import Schema

app = typer.Typer(help="Write down what is publicly known about a table.", no_args_is_help=True)

_UNITS_NEEDED = (
    "declare about how many units the table holds, from public knowledge: delta must stay below one over it, and it "
    "bounds the number of canaries"
)
"""What a release says, too."""


@app.command()
def draft(
    data: Annotated[Path, typer.Argument(help="CSV or Parquet file; its header is read and not one row.")],
    out: Annotated[Path | None, typer.Option(help="Where to write the draft; standard output if not given.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Data set id; the file's name if not given.")] = None,
) -> None:
    """Write a draft schema: names and types, every bound and value list left as a marked blank."""
    header = read_header(data)
    text = draft_schema(header.names, dataset or data.stem, header.storage_types)
    if out is None:
        sys.stdout.write(text)
        return
    if out.exists():
        raise BundleError(f"{out} exists already; name a new file")
    out.write_text(text, encoding="utf-8")
    ERR.print(f"wrote {out}. Fill in every FILL_IN from public knowledge, then: dpsynth schema check {out}")


@app.command()
def check(schema: Annotated[Path, typer.Argument(help="Schema file, YAML or JSON.")]) -> None:
    """Check a schema; names everything that is wrong with it at once, with line and column."""
    loaded = Schema.from_yaml(schema)
    loaded.require_complete()
    OUT.print(
        f"{schema}: complete. Data set '{loaded.dataset}', {len(loaded.columns)} columns, "
        f"privacy unit: {loaded.unit.describe()}."
    )
    for column in loaded.columns:
        OUT.print(f"  {column.name:<28} {column.size:>5} codes", markup=False)
    rules = loaded.document.dpsynth.constraints
    if rules:
        tied = len([clique for clique in loaded.constraints.masks if len(clique) > 1])
        OUT.print(f"  {len(rules)} rules about what no record can be, on {tied} groups of columns", markup=False)
    if loaded.public_rows is None:
        OUT.print("[yellow]not enough for a release yet:[/] `public_rows` is missing")
        raise SchemaError(loaded.dataset, [SchemaProblem("dpsynth.public_rows", _UNITS_NEEDED)])


@app.command("json-schema")
def print_json_schema() -> None:
    """Print the JSON Schema that schema files follow, for editors and validators."""
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
