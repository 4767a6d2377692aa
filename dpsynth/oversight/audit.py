"""Audits an exported ledger offline: with the file alone or, better, with the signer's public key and the releases.

An audit never stops at the first thing that is wrong. It reads on, and says in words what is wrong and where.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from dpsynth.certification import layout
from dpsynth.certification.signing import key_id_of
from dpsynth.certification.verify import verify_release
from dpsynth.errors import DpsynthError, InvalidInput
from dpsynth.ledger import Head, LedgerEntry
from dpsynth.ledger.chain import is_digest
from dpsynth.ledger.keys import public_hex_of
from dpsynth.ledger.signed_heads import SignedHead, assurance_in_words, signed_heads_in
from dpsynth.oversight.audit_chain import (
    FoundChain,
    KnownHead,
    chain_problems,
    head_problems,
    seal_problems,
    signer_of,
    sorted_lines,
)
from dpsynth.oversight.audit_costs import MOST_RELEASES, Replay, asked_problems, recomputed, replay
from dpsynth.oversight.audit_report import AuditCheck, LedgerAudit, RecomputedCost
from dpsynth.oversight.json_lines import read_lines
from dpsynth.oversight.public_key import read_public_key

PathLike = str | os.PathLike[str]


def audit_ledger(
    file: PathLike,
    *,
    public_key: PathLike | None = None,
    expected_head: tuple[int, str] | None = None,
    artefacts: Iterable[PathLike] = (),
    release_key: PathLike | None = None,
    most_releases: int = MOST_RELEASES,
) -> LedgerAudit:
    """Return everything that holds and does not hold about a ledger that was exported as JSON lines.

    Checks every line, the order, every digest, the head against all heads that are known, the signature, that every
    entry was legal where it stands, that no budget was exceeded at any prefix, and every epsilon, computed again from
    the events by Renyi divergences, by privacy-loss distributions and by an audit of those, beside the exact sums.
    Nothing about the ledger makes it raise: what is wrong is in `problems`.

    Args:
        file: what `dpsynth ledger export` wrote, or `ledger.jsonl` of a release.
        public_key: PEM file of the key that has to have signed the head, obtained by another way than the file.
        expected_head: index and digest that are known from elsewhere, such as a letter.
        artefacts: release folders, or folders that hold some; each is verified, and its certificate compared.
        release_key: PEM file of the key that has to have signed the releases; `public_key` if not given.
        most_releases: how many releases are computed one by one; the total of each budget always is.

    Raises:
        InvalidInput: the file, the key or a folder cannot be read at all.
    """
    path = Path(file)
    public_pem = None if public_key is None else read_public_key(Path(public_key))
    folders = [folder for place in artefacts for folder in _release_folders(Path(place))]
    chain = sorted_lines(read_lines(path))
    found = replay(chain.in_order())
    costs, cost_problems = recomputed(found.books, found.entries, most_releases)
    signed = signed_heads_in(found.entries)
    signers = {one.key for one in signed}
    known = [] if expected_head is None else [KnownHead(Head(*expected_head), "the head that was given")]
    known += [head for folder in folders for head in _heads_of(folder)]
    checks = [
        _check("lines", _lines_in_words(chain, found), [*chain.line_problems, *found.unreadable]),
        _check("chain", "every digest follows from the content and from the entry before it", chain_problems(chain)),
        _check("head", _heads_in_words(chain, known), head_problems(chain, known)),
        _check("signature", _signature_in_words(chain, public_pem, signed), seal_problems(chain, public_pem, signers)),
        _check("order of entries", "every entry was legal where it stands", found.illegal),
        _check("budgets", _budgets_in_words(found), [*found.overspent]),
        _check("charges", "what was asked for was charged", asked_problems(found.entries)),
        _check("stated costs", "every entry states the cost that its events have", found.curves),
        _check("costs", _costs_in_words(costs), cost_problems),
    ]
    if folders:
        key = release_key if release_key is not None else public_key
        recorded = {entry.release_id: entry for entry in found.entries if entry.artefact}
        problems = [problem for folder in folders for problem in _artefact_problems(folder, chain, recorded, key)]
        checks.append(_check("artefacts", f"{len(folders)} release folders were verified and compared", problems))
    return LedgerAudit(path.name, len(chain.entries), chain.head, tuple(checks), tuple(costs))


def _check(name: str, explanation: str, problems: Sequence[str]) -> AuditCheck:
    return AuditCheck(name, not problems, explanation, tuple(problems))


def _lines_in_words(chain: FoundChain, found: Replay) -> str:
    whole = f"{len(chain.entries):,} entries were read"
    if not found.missing:
        return whole
    return f"{whole}; of {found.missing:,} the file holds only digests, so what they say could not be checked"


def _heads_in_words(chain: FoundChain, known: Sequence[KnownHead]) -> str:
    sources = len(known) + (chain.stated is not None)
    if not sources:
        return "nothing says where the ledger should end; give a head that is known from elsewhere"
    return f"the ledger was compared with {sources} known head{'' if sources == 1 else 's'}"


def _signature_in_words(chain: FoundChain, public_pem: bytes | None, signed: Sequence[SignedHead]) -> str:
    sealed = signer_of(chain)
    if public_pem is not None:
        own = [one for one in signed if one.key == public_hex_of(public_pem)]
        if sealed or not own:
            return f"a head has to be signed by key {key_id_of(public_pem)[:16]}"
        return assurance_in_words(own, chain.head.index)
    if sealed:
        return f"sealed by key {sealed[:16]}, which nobody has vouched for: give the public key"
    return assurance_in_words(signed, chain.head.index)


def _budgets_in_words(found: Replay) -> str:
    declared = [account for account in found.books.accounts.values() if account.overspent]
    if not declared:
        return "no budget was exceeded after any entry"
    named = ", ".join(f"{account.title} by entry {account.overspent}" for account in declared)
    return f"this ledger granted nothing beyond a budget, but other tools had spent more than was left: {named}"


def _costs_in_words(costs: Sequence[RecomputedCost]) -> str:
    single = sum(bool(cost.release) for cost in costs)
    budgets = len(costs) - single
    return (
        f"{single} release{'' if single == 1 else 's'} and the total of {budgets} budget{'' if budgets == 1 else 's'} "
        "were computed again by two accountants and an audit of the second, beside the sums"
    )


def _release_folders(place: Path) -> list[Path]:
    if (place / layout.CERTIFICATE).is_file():
        return [place]
    try:
        inside = sorted(folder for folder in place.iterdir() if (folder / layout.CERTIFICATE).is_file())
    except OSError as fault:
        raise InvalidInput(f"{place} is not a folder that can be read") from fault
    if not inside:
        raise InvalidInput(f"{place} is no release folder and holds none")
    return inside


def _heads_of(folder: Path) -> Iterator[KnownHead]:
    stated = _section(folder, "ledger")
    index, digest = stated.get("head_index"), stated.get("head_digest")
    if isinstance(index, int) and not isinstance(index, bool) and index > 0 and is_digest(digest):
        yield KnownHead(Head(index, str(digest)), f"the certificate in {folder.name}")


def _artefact_problems(
    folder: Path, chain: FoundChain, recorded: Mapping[str, LedgerEntry], key: PathLike | None
) -> Iterator[str]:
    try:
        verification = verify_release(folder, public_key=None if key is None else Path(key))
        yield from (f"release folder {folder.name}: {problem}" for problem in verification.problems)
    except DpsynthError as fault:
        yield f"release folder {folder.name}: {fault}"
    digests = {entry.digest for entry in chain.entries.values()}
    listed = _section(folder, "ledger").get("entries")
    unknown = [digest for digest in listed if digest not in digests] if isinstance(listed, list) else []
    if unknown:
        yield f"release folder {folder.name}: {len(unknown)} of its ledger entries are not in this ledger"
    note = recorded.get(str(_section(folder, "scope").get("release_id")))
    sums = folder / layout.CHECKSUMS
    if note is not None and (not sums.is_file() or hashlib.sha256(sums.read_bytes()).hexdigest() != note.artefact):
        yield (
            f"release folder {folder.name}: its files are not those that were exported: its {layout.CHECKSUMS} has "
            f"another digest than entry {note.index} of the ledger recorded"
        )


def _section(folder: Path, name: str) -> Mapping[str, object]:
    try:
        content = json.loads((folder / layout.CERTIFICATE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    section = content.get(name) if isinstance(content, dict) else None
    return section if isinstance(section, dict) else {}
