"""`dpsynth keys`: make the key that signs releases and ledgers, and show its public part."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from dpsynth.cli.console import ERR, OUT, print_json
from dpsynth.cli.signing_key_file import signing_key
from dpsynth.errors import BundleError
from dpsynth.ledger import load_or_create_key
from dpsynth.ledger.home import default_home
from dpsynth.ledger.keys import KEY_FILE, key_id_of

app = typer.Typer(help="Ed25519 keys that sign releases, ledgers and renewals.", no_args_is_help=True)

_PUBLIC_MARK = b"-----BEGIN PUBLIC KEY-----"


@app.command()
def new(
    out: Annotated[
        Path | None, typer.Option(help="Where to write the private key; else where releases look for it.")
    ] = None,
    public: Annotated[Path | None, typer.Option(help="Also write the public key here, to be published.")] = None,
) -> None:
    """Make a private key that only you can read; an existing file is never replaced."""
    place = default_home() / KEY_FILE if out is None else out
    for taken in (place, public):
        if taken is not None and taken.exists():
            raise BundleError(f"{taken} exists already, and what it signed needs it. Name a new file, or show it")
    key = load_or_create_key(place)
    if public is not None:
        _write_new(public, key.public_pem)
    OUT.print(f"private key  {escape(str(place))} (keep it; it belongs in no release)", soft_wrap=True)
    if public is not None:
        OUT.print(f"public key   {escape(str(public))}", soft_wrap=True)
    OUT.print(f"key id       {key.key_id}", soft_wrap=True)


@app.command()
def show(
    key: Annotated[
        Path | None,
        typer.Argument(help="Private or public key (PEM), or a release folder; else the key that signs releases here."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Print the key id and the public key; the private part is never shown."""
    place = default_home() / KEY_FILE if key is None else key
    if key is None and not place.exists():
        raise BundleError(f"there is no key {place} yet; the first release makes it, or: dpsynth keys new")
    pem = _public_pem_of(place)
    if as_json:
        print_json({"file": str(place), "key_id": key_id_of(pem), "public_key": pem.decode()})
        return
    ERR.print(f"{escape(str(place))}\nkey id {key_id_of(pem)}", soft_wrap=True)
    sys.stdout.write(pem.decode())


def _public_pem_of(place: Path) -> bytes:
    """Return the public key in PEM form that a key file or a release folder holds."""
    # Loaded late: certification is heavy, and only a folder needs its layout.
    from dpsynth.certification.layout import PUBLIC_KEY

    file = place / PUBLIC_KEY if place.is_dir() else place
    try:
        content = file.read_bytes()
    except OSError as fault:
        raise BundleError(f"the key {file} cannot be read: {fault.strerror}") from fault
    return content if content.lstrip().startswith(_PUBLIC_MARK) else signing_key(file).public_pem


def _write_new(place: Path, content: bytes) -> None:
    try:
        with place.open("xb") as file:
            file.write(content)
    except OSError as fault:
        raise BundleError(f"the public key {place} cannot be written: {fault.strerror}") from fault
