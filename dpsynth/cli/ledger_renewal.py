"""`dpsynth ledger renew`: a new budget for new people or new data, which two approvers sign, each where his key is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.cli.console import OUT, print_json
from dpsynth.cli.ledger_terms import JsonOption, LedgerOption
from dpsynth.cli.places import open_ledger
from dpsynth.cli.signing_key_file import signing_key
from dpsynth.errors import InvalidInput
from dpsynth.ledger import BudgetPolicy
from dpsynth.ledger.renewal import APPROVALS_NEEDED
from dpsynth.oversight.public_key import read_public_key
from dpsynth.oversight.renewal_file import ProposedRenewal, read_proposal, write_proposal

app = typer.Typer(help="Renew a budget for new people or new data; two approvers sign.", no_args_is_help=True)

ProposalArgument = Annotated[Path, typer.Argument(help="What `propose` wrote.")]


@app.command()
def propose(
    population: Annotated[str, typer.Argument(help="Population, or data set, whose budget ends.")],
    epsilon: Annotated[str, typer.Option(help="Epsilon for all releases of the new epoch together.")],
    delta: Annotated[str, typer.Option(help="Delta for all of them together.")],
    reason: Annotated[str, typer.Option(help="Which new people or new data it is for; it is signed.")],
    out: Annotated[Path, typer.Option(help="File to make for the approvers; must not exist.")],
    event_delta: Annotated[str, typer.Option(help="As for `budget`.")] = "0",
    policy: Annotated[BudgetPolicy, typer.Option(help="As for `budget`.")] = BudgetPolicy.ADAPTIVE,
    approver: Annotated[
        list[Path] | None, typer.Option(help="Public key (PEM) of who may renew the next time; the same if not given.")
    ] = None,
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a renewal to a file for two approvers to sign; the ledger stays as it is."""
    keys = [read_public_key(path) for path in approver or ()]
    with open_ledger(ledger, create=False) as books:
        renewal = books.propose_renewal(
            population,
            PrivacyBudget(epsilon, delta),
            reason=reason,
            event_delta=event_delta,
            policy=policy,
            approvers=keys,
        )
    proposal = ProposedRenewal(renewal, ())
    write_proposal(out, proposal)
    _show(out, proposal, as_json=as_json)


@app.command()
def approve(
    file: ProposalArgument,
    key: Annotated[Path, typer.Option(help="The approver's private key (PEM).")],
    as_json: JsonOption = False,
) -> None:
    """Sign a renewal with an approver's key, into the same file; needs no ledger."""
    proposal = read_proposal(file)
    signature = proposal.renewal.approved_with(signing_key(key))
    if signature.key in {one.key for one in proposal.signatures}:
        raise InvalidInput(f"the key {signature.key[:16]} has signed {file} already; it takes another approver")
    signed = ProposedRenewal(proposal.renewal, (*proposal.signatures, signature))
    write_proposal(file, signed, replace=True)
    _show(file, signed, as_json=as_json)


@app.command("apply")
def apply_renewal(file: ProposalArgument, ledger: LedgerOption = None, as_json: JsonOption = False) -> None:
    """Begin the new epoch, once two approvers have signed."""
    proposal = read_proposal(file)
    with open_ledger(ledger, create=False) as books:
        books.renew(proposal.renewal, proposal.signatures)
        head = books.head()
        left = books.remaining(proposal.renewal.terms.dataset)
    said = proposal.summary()
    if as_json:
        print_json({**said, "entry": head.index, "left": left})
        return
    OUT.print(
        f"epoch {said['epoch']} of '{said['population']}' has begun with entry {head.index}. Left: {left}", markup=False
    )


def _show(file: Path, proposal: ProposedRenewal, *, as_json: bool) -> None:
    said = proposal.summary()
    if as_json:
        print_json({"file": str(file), **said})
        return
    OUT.print(f"{file}: epoch {said['epoch']} of '{said['population']}'", markup=False)
    for name in ("budget", "policy", "reason"):
        OUT.print(f"    {name:<9}{said[name]}", markup=False, soft_wrap=True)
    for key in proposal.signatures:
        OUT.print(f"    signed by key {key.key[:16]}", markup=False)
    missing = APPROVALS_NEEDED - len(proposal.signatures)
    if missing > 0:
        OUT.print(f"Next, {missing} to sign: dpsynth ledger renew approve {file} --key APPROVER.pem", markup=False)
    else:
        OUT.print(f"Next: dpsynth ledger renew apply {file}", markup=False)
