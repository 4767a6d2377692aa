"""`dpsynth demo`: the main job on a real table that comes inside a package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.certification.plan import plan_release
from dpsynth.certification.policy import default_policy
from dpsynth.cli.console import ERR, progress_bars
from dpsynth.cli.release_command import show_plan, show_result
from dpsynth.errors import BundleError, MissingExtra
from dpsynth.generators.registry import generator
from dpsynth.ledger import Ledger
from dpsynth.release import release
from dpsynth.schema.schema import Schema

_GENERATOR = "mwem"
"""The classic, in seconds; what the demo prints names it, because a release without a name takes `auto`."""

_CLAIM = PrivacyBudget(1, "1e-6")
_WHOLE = PrivacyBudget(3, "1e-5")


def demo(
    out: Annotated[Path, typer.Option(help="Folder to make for everything that the demo writes.")] = Path(
        "demo-release"
    ),
) -> None:
    """Release the RAND health insurance table (20,190 public records) at epsilon 1, with a ledger of its own."""
    if out.exists():
        raise BundleError(f"{out} exists already; remove it or name another folder with --out")
    try:
        from statsmodels.datasets import randhie
    except ImportError:
        raise MissingExtra("statsmodels", "demo") from None
    out.mkdir(parents=True)
    data = out / "randhie.csv"
    randhie.load_pandas().data.to_csv(data, index=False)
    text = resources.files("dpsynth.schema").joinpath("examples/randhie.schema.yaml").read_text(encoding="utf-8")
    schema_file = out / "randhie.schema.yaml"
    schema_file.write_text(text, encoding="utf-8")
    schema = Schema.from_yaml(schema_file)
    location = out / "ledger.db"
    ERR.print("This is what the demo does. To do it again by hand, charged to the same ledger:\n")
    ERR.print(f"  export DPSYNTH_LEDGER=sqlite:///{location.resolve()}")
    ERR.print(f"  dpsynth ledger budget {schema.dataset} --epsilon {_WHOLE.epsilon} --delta {float(_WHOLE.delta):g}")
    ERR.print(
        f"  dpsynth release {data} --schema {schema_file} --epsilon {_CLAIM.epsilon} --delta {float(_CLAIM.delta):g} "
        f"--generator {_GENERATOR} --out {out / 'release-by-hand'}\n"
    )
    url = f"sqlite:///{location}"
    with Ledger(url) as ledger:
        ledger.set_budget(schema.dataset, _WHOLE, unit=schema.unit.describe())
        show_plan(plan_release(schema, _CLAIM, ledger=ledger, generator=generator(_GENERATOR), policy=default_policy()))
        with progress_bars(shown=True):
            made = release(data, schema, _CLAIM, out=out / "release", ledger=ledger, generator=_GENERATOR)
    show_result(made, ledger=url)
