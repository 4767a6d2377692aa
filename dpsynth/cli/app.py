"""The command line: thin, one module per command group, one message per error.

Exit codes: 0 done, 2 the request was wrong and nothing was spent, 3 refused by certification or verification,
4 refused by the ledger, 130 interrupted.
"""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from dpsynth.cli.commands_on_demand import CommandsOnDemand
from dpsynth.cli.console import OUT, print_error
from dpsynth.errors import DpsynthError

_INTERRUPTED = "interrupted. What the ledger had opened stays charged: dpsynth ledger show"
_INTERRUPTED_CODE = 130

app = typer.Typer(
    name="dpsynth",
    cls=CommandsOnDemand,
    help="Differentially private synthetic tables with a certificate, a report and a ledger.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        from dpsynth import __version__

        OUT.print(f"dpsynth {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Differentially private synthetic tables with a certificate, a report and a ledger."""


def main() -> None:
    """Run the command line; every error becomes one message and an exit code."""
    logging.getLogger("dpsynth").addHandler(logging.NullHandler())
    try:
        app()
    except DpsynthError as refusal:
        print_error(str(refusal))
        sys.exit(refusal.exit_code)
    except KeyboardInterrupt:
        print_error(_INTERRUPTED)
        sys.exit(_INTERRUPTED_CODE)
    except SystemExit as leaving:
        # typer turns an interrupt inside a command into this exit, without a word.
        if leaving.code == _INTERRUPTED_CODE:
            print_error(_INTERRUPTED)
        raise
    except OSError as fault:
        print_error(f"{fault.strerror or type(fault).__name__}: {fault.filename or 'a file'}")
        sys.exit(2)
    except Exception as fault:  # noqa: BLE001 - its text may hold a cell, so it is not shown
        print_error(
            f"unexpected {type(fault).__name__} in {_origin(fault)}. Its text is withheld: it could hold a value "
            "from the data. What the ledger had opened stays charged: dpsynth ledger show"
        )
        sys.exit(1)


def _origin(fault: BaseException) -> str:
    """Return the innermost place of ours, as module and line."""
    place = "dpsynth"
    trace = fault.__traceback__
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        if module.startswith("dpsynth"):
            place = f"{module}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return place
