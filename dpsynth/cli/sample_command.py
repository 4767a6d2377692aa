"""`dpsynth sample`: more rows from a model that was paid for, uncertified."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.markup import escape

from dpsynth.certification import layout
from dpsynth.cli.console import ERR, OUT, print_json, progress_bars
from dpsynth.errors import BundleError, InvalidInput
from dpsynth.generators.fitted_model import load_fitted_model
from dpsynth.generators.sample_files import write_samples
from dpsynth.schema.schema import Schema

_NOT_CERTIFIED = (
    "not certified: no certificate speaks of these rows, and the canary gate has not seen them. Among them may be "
    "copies of canaries, the invented rows that a release plants in the training data and takes out of its table"
)


def sample(
    model: Annotated[Path, typer.Argument(help="Saved model, or the internal folder of a release, which holds one.")],
    rows: Annotated[int, typer.Option(help="Synthetic rows; any number costs nothing.", min=0)],
    out: Annotated[Path, typer.Option(help="File to make, .csv or .parquet; must not exist.")],
    given: Annotated[
        list[str] | None,
        typer.Option(help="COLUMN=VALUE that all rows shall have; several values of one column are alternatives."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; the same one makes the same file.", min=0)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Sample a saved model again. Costs no privacy; the rows are not certified."""
    folder = model / "model" if (model / "model").is_dir() else model
    fitted = load_fitted_model(folder)
    conditions = conditions_of(fitted.schema, given or [])
    if out.exists() or out.is_symlink():
        raise BundleError(f"{out} exists already; name a new file")
    if (out.parent / layout.CERTIFICATE).exists():
        raise BundleError(f"{out.parent} is a release folder, and its certificate does not speak of these rows")
    if (folder.parent / "withheld").is_dir():
        ERR.print(
            "[yellow]warning:[/] the release of this model was withheld. Whoever hands out its rows takes the decision "
            "that dpsynth override records."
        )
    with progress_bars(shown=not as_json):
        write_samples(fitted, out, rows, rng=np.random.default_rng(seed), given=conditions)
    if as_json:
        print_json({"file": str(out), "rows": rows, "certified": False, "charged": False})
        return
    OUT.print(f"{rows:,} synthetic rows in [bold]{escape(str(out))}[/]")
    OUT.print("  no charge: the model was paid for, and rows are computed from it alone")
    OUT.print(f"  [yellow]{_NOT_CERTIFIED}[/]")


def conditions_of(schema: Schema, given: list[str]) -> dict[str, object]:
    """Return the values of each column from texts `COLUMN=VALUE`; nothing after the sign means a missing cell.

    Raises:
        InvalidInput: a text does not begin with a column of the schema and an equals sign.
    """
    conditions: dict[str, list[object]] = {}
    for text in given:
        names = [column.name for column in schema.columns if text.startswith(f"{column.name}=")]
        if not names:
            listed = ", ".join(column.name for column in schema.columns)
            raise InvalidInput(f"--given takes COLUMN=VALUE, with one of the columns {listed}")
        name = max(names, key=len)
        conditions.setdefault(name, []).append(text[len(name) + 1 :])
    return dict(conditions)
