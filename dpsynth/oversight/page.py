"""A ledger in a notebook: budgets, the last releases and remarks, in HTML that needs nothing from elsewhere."""

from __future__ import annotations

from html import escape

from dpsynth.errors import LedgerError
from dpsynth.ledger import Ledger
from dpsynth.oversight.account import DatasetAccount, ReleaseLine, accounts
from dpsynth.oversight.amounts import percent

_LAST = 10
_MOST_DATA_SETS = 20
_NARROW = 0.004

# Colours are mid-tones with enough contrast on white and on black paper; everything else is the notebook's own, so that
# the page is right in light and dark themes, also in those that the browser knows nothing about.
_STYLE = """
.dpsynth-ledger { font: 14px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; max-width: 60rem; }
.dpsynth-ledger h3 { margin: 1rem 0 .2rem; font-size: 1.1em; }
.dpsynth-ledger p { margin: .2rem 0; opacity: .85; }
.dpsynth-ledger table { border-collapse: collapse; margin: .5rem 0; width: 100%; color: inherit; background: none; }
.dpsynth-ledger tr { background: none !important; }
.dpsynth-ledger th, .dpsynth-ledger td { text-align: left !important; vertical-align: top;
  padding: .25rem .8rem .25rem 0; border: 0; border-bottom: 1px solid rgba(128, 128, 128, .35);
  background: none; overflow-wrap: anywhere; }
.dpsynth-ledger .n { text-align: right !important; white-space: nowrap; font-variant-numeric: tabular-nums; }
.dpsynth-ledger thead th, .dpsynth-ledger td.t, .dpsynth-ledger th code { white-space: nowrap; }
.dpsynth-ledger thead th { opacity: .75; }
.dpsynth-ledger .meter { height: .7rem; min-width: 6rem; border: 1px solid rgba(128, 128, 128, .8);
  border-radius: 2px; overflow: hidden; }
.dpsynth-ledger .meter i { display: block; height: 100%; background: #2f7fc1; }
.dpsynth-ledger .meter i.full { background: #c4561b; }
.dpsynth-ledger .good { color: #2e8b50; font-weight: 600; }
.dpsynth-ledger .bad { color: #d1495b; font-weight: 600; }
.dpsynth-ledger dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .5rem 0; }
.dpsynth-ledger dt { opacity: .75; }
.dpsynth-ledger dd { margin: 0; overflow-wrap: anywhere; }
.dpsynth-ledger code { font-size: .92em; background: none; color: inherit; padding: 0; }
"""


def fragment(body: str) -> str:
    """Return `body`, which is escaped already, with the style that it needs."""
    return f'<div class="dpsynth-ledger"><style>{_STYLE}</style>{body}</div>'


def meter(share: float | None) -> str:
    """Return a bar that is full at a share of 1; what is infinite fills it too."""
    width = 1.0 if share is None else min(max(share, _NARROW if share else 0.0), 1.0)
    full = ' class="full"' if share is None or share >= 1 else ""
    label = f"{percent(share)} of the budget"
    return (
        f'<div class="meter" role="img" aria-label="{label}" title="{label}">'
        f'<i{full} style="width: {100 * width:.1f}%"></i></div>'
    )


def ledger_page(ledger: object) -> str:
    """Return a ledger as HTML; one that cannot be read says so instead."""
    if not isinstance(ledger, Ledger):
        return ""
    try:
        found, head = accounts(ledger, last=_LAST), ledger.head()
    except LedgerError as fault:
        return fragment(f"<p><code>{escape(repr(ledger))}</code></p><p class='bad'>{escape(str(fault))}</p>")
    parts = "".join(_account(account) for account in found[:_MOST_DATA_SETS])
    if len(found) > _MOST_DATA_SETS:
        parts += f"<p>and {len(found) - _MOST_DATA_SETS:,} more data sets</p>"
    state = f"{head.index:,} entries; head <code>{head.digest[:16]}</code>" if head.index else "nothing is recorded yet"
    assurance = f"<p>{escape(ledger.assurance())}</p>" if head.index else ""
    return fragment(f"<p><code>{escape(repr(ledger))}</code> {state}</p>{assurance}{parts}")


def _account(account: DatasetAccount) -> str:
    whole = ""
    if account.budget_epsilon is not None:
        spent = "unbounded" if account.spent_epsilon is None else f"epsilon {account.spent_epsilon}"
        whole = (
            f"{meter(account.spent_share)}<p>{percent(account.spent_share)} spent ({spent} at delta "
            f"{float(account.budget_delta or 0):g}); left: {escape(account.left)}</p>"
        )
    if account.overspent:
        whole += f"<p class='bad'>OVERSPENT: {escape(account.overspent)}</p>"
    protects = f"; protects {escape(account.protects)}" if account.protects else ""
    if account.data_sets != (account.data_set,):
        protects += f"; charged by {escape(', '.join(account.data_sets) or 'nobody')}"
    if account.epoch > 1:
        protects += f"; epoch {account.epoch}, all epochs together spent {escape(account.lifetime)}"
    if account.policy != "adaptive":
        listed = "no list is locked yet" if account.plan_epsilon is None else f"epsilon {account.plan_epsilon} in all"
        protects += f"; policy {escape(account.policy)}: {listed}"
    return (
        f"<h3>{escape(account.data_set)}</h3><p>budget: {escape(account.budget)}{protects}</p>{whole}"
        f"{_releases(account)}{_notes(account)}"
    )


def _releases(account: DatasetAccount) -> str:
    if not account.releases:
        return "<p>no release yet</p>"
    several = len(account.data_sets) > 1
    rows = "".join(
        f"<tr><th scope='row'><code>{escape(line.release[:12])}</code></th><td class='t'>{_moment(line.time)}</td>"
        f"<td>{escape(line.by)}</td><td>{escape(_why(line, several=several))}</td><td>{escape(line.asked)}</td>"
        f"<td>{escape(line.state)}{'' if line.certifiable or line.declared else '; seeded noise'}</td>"
        f"<td class='n'>{percent(line.share)}</td></tr>"
        for line in reversed(account.releases)
    )
    hidden = account.release_count - len(account.releases)
    earlier = f"<p>and {hidden:,} earlier releases</p>" if hidden else ""
    heads = "".join(
        f"<th scope='col'>{name}</th>" for name in ("release", "when (UTC)", "by", "purpose", "asked", "state")
    )
    return (
        f"<table><thead><tr>{heads}<th scope='col' class='n'>of budget</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>{earlier}"
    )


def _notes(account: DatasetAccount) -> str:
    if not account.notes:
        return ""
    listed = "".join(
        f"<dt>{_moment(note.time)} UTC</dt><dd>{escape(note.note)}"
        f"{f' (<code>{escape(note.release[:12])}</code>)' if note.release else ''}</dd>"
        for note in reversed(account.notes)
    )
    return f"<dl>{listed}</dl>"


def _why(line: ReleaseLine, *, several: bool) -> str:
    parts = (line.purpose, f"on {line.data_set}" if several else "", line.ticket, line.legal_basis)
    return "; ".join(part for part in parts if part)


def _moment(time: str) -> str:
    return escape(time[:16].replace("T", " "))
