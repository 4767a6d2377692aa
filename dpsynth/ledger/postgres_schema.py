"""The tables of the PostgreSQL ledger: who makes them, who may append, and whether they are still what they were."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, text

from dpsynth.errors import InvalidInput, LedgerCorrupted, LedgerUnavailable
from dpsynth.ledger.migrations import STORE_VERSION, upgrade
from dpsynth.ledger.postgres_faults import BUSY_SECONDS

_MAKERS_LOCK = 0x64707379
"""An advisory lock, so that two who make the tables at once do it one after the other."""

_TRIGGERS = {
    # Events as PostgreSQL counts them: 1 each row, 2 before, 4 insert, 8 delete, 16 update, 32 truncate.
    ("entry_follows_the_last", 1 | 2 | 4, "A", "require_next_link"),
    ("entry_is_never_changed", 1 | 2 | 8 | 16, "A", "refuse_change"),
    ("entry_is_never_removed", 2 | 32, "A", "refuse_change"),
}
_FUNCTIONS = "8b7b6421880d43bcdd64815ffa4d842ce4ae60c86251c8cf846bba83f8b0d5fd"
_ISOLATION = "read committed"

# For this transaction only: what is set for a session is lost behind a pooler. A writer that stops in the middle loses
# its turn and is refused, and the others go on.
_SET = text(
    "SELECT set_config('lock_timeout', :busy, true), set_config('idle_in_transaction_session_timeout', :busy, true),"
    " set_config('synchronous_commit', CASE current_setting('synchronous_commit')"
    " WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)"
).bindparams(busy=f"{BUSY_SECONDS}s")
_ASK = text(
    "SELECT current_setting('transaction_isolation'), current_setting('default_transaction_isolation'),"
    " current_setting('synchronous_commit'), current_setting('fsync'), pg_is_in_recovery()"
)


def initialize(connection: Connection, writer: str | None, name: str) -> None:
    """Make the tables, or bring them to this version, as their owner, and let `writer` read and append.

    Raises:
        InvalidInput: there is no role `writer`, or it could do more than append.
        LedgerUnavailable: a later version made the tables, or the database does not keep UTF-8.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MAKERS_LOCK})
    if connection.scalar(text("SHOW server_encoding")) != "UTF8":
        raise LedgerUnavailable(f"{name} cannot hold a ledger: its encoding is not UTF8; make another database")
    found = connection.scalar(text("SELECT to_regclass('dpsynth_ledger.store') IS NOT NULL"))
    version = int(connection.scalar(text("SELECT version FROM dpsynth_ledger.store")) or 0) if found else 0
    require_known(version, name)
    if version < STORE_VERSION:
        upgrade(connection, version)
        connection.execute(text("UPDATE dpsynth_ledger.store SET version = :version"), {"version": STORE_VERSION})
    if writer is not None:
        _let_write(connection, writer)


def require_known(version: int, name: str) -> None:
    """Refuse a store of a later version.

    Raises:
        LedgerUnavailable: a later version made it.
    """
    if version > STORE_VERSION:
        raise LedgerUnavailable(f"the ledger {name} was made by a later version of dpsynth; upgrade to open it")


def require_current(connection: Connection, name: str) -> None:
    """Refuse a store of any other version than this one.

    Raises:
        LedgerUnavailable: it is of another version; where it is older, the message says what to run.
    """
    version = int(connection.scalar(text("SELECT version FROM dpsynth_ledger.store WHERE id = 1")) or 0)
    require_known(version, name)
    if version < STORE_VERSION:
        raise LedgerUnavailable(
            f"the ledger {name} was made by an earlier version of dpsynth. Run, as its owner: dpsynth ledger init"
        )


def require_append_only_role(connection: Connection, name: str) -> None:
    """Refuse to work as somebody who could change or remove entries.

    Raises:
        LedgerUnavailable: this role is a superuser, owns the tables, or was given too much.
    """
    may = connection.scalar(
        text(
            "SELECT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"
            " OR pg_has_role(current_user, relowner, 'MEMBER')"
            " OR has_any_column_privilege(oid, 'UPDATE')"
            " OR has_table_privilege(oid, 'DELETE, TRUNCATE, TRIGGER')"
            " FROM pg_class WHERE oid = 'dpsynth_ledger.entry'::regclass"
        )
    )
    if may:
        raise LedgerUnavailable(
            f"the ledger {name} is not opened as a role that can change or remove entries (a superuser, the owner of "
            "the tables, or one with the right to UPDATE, DELETE or TRUNCATE). Let a role of its own append, with: "
            "dpsynth ledger init --writer ROLE, and open it as that role. Nothing was granted."
        )


def require_settings(connection: Connection, name: str) -> None:
    """Refuse a transaction in which a decision could rest on old rows, or a commit could be lost.

    Under REPEATABLE READ and SERIALIZABLE the snapshot may be older than the lock: whoever waited for the lock does
    not see what the one before wrote, and overspends.

    Raises:
        LedgerUnavailable: isolation, durability or the role of the server is another than the ledger needs.
    """
    connection.execute(_SET)
    isolation, usual, commit, disk, standby = connection.execute(_ASK).one()
    for wrong, words in (
        (standby, "a server that can be written, and this one is a standby"),
        (
            (isolation, usual) != (_ISOLATION, _ISOLATION),
            f"READ COMMITTED, and this connection gives '{isolation}' and otherwise '{usual}', under which two writers "
            "can spend the same budget; take default_transaction_isolation away from the role, the database or the URL",
        ),
        (commit not in {"on", "remote_apply"}, f"synchronous_commit = on, and this connection gives '{commit}'"),
        (disk != "on", "fsync = on, and this server does not wait for its disk"),
    ):
        if wrong:
            raise LedgerUnavailable(f"the ledger {name} cannot be used here: it needs {words}. Nothing was granted.")


def inspect(connection: Connection, name: str) -> None:
    """Check the triggers and what they run.

    Raises:
        LedgerCorrupted: something was changed.
    """
    triggers = connection.execute(
        text(
            "SELECT tgname, tgtype, tgenabled, proname FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid"
            " WHERE tgrelid = 'dpsynth_ledger.entry'::regclass AND NOT tgisinternal"
        )
    )
    found = {(trigger, int(kind), str(enabled), function) for trigger, kind, enabled, function in triggers}
    sources = connection.execute(
        text(
            "SELECT proname || ' ' || coalesce(array_to_string(proconfig, ','), '') || ' ' || prosrc FROM pg_proc"
            " WHERE pronamespace = 'dpsynth_ledger'::regnamespace ORDER BY proname"
        )
    ).scalars()
    digest = hashlib.sha256("\n".join(sources).encode()).hexdigest()
    if found != _TRIGGERS or digest != _FUNCTIONS:
        raise LedgerCorrupted(
            f"the ledger {name} was changed: the triggers that make it append-only are missing or different"
        )


def _let_write(connection: Connection, writer: str) -> None:
    known = connection.execute(
        text("SELECT rolsuper OR pg_has_role(rolname, current_user, 'MEMBER') FROM pg_roles WHERE rolname = :name"),
        {"name": writer},
    ).scalar()
    if known is None:
        raise InvalidInput(f"there is no role '{writer}' on this server; make it first: CREATE ROLE {writer} LOGIN")
    if known:
        raise InvalidInput(f"'{writer}' owns the tables or is a superuser, and could change entries; name another role")
    quoted = connection.dialect.identifier_preparer.quote_identifier(writer)
    for right in (
        f"GRANT USAGE ON SCHEMA dpsynth_ledger TO {quoted}",
        f"GRANT SELECT, INSERT ON dpsynth_ledger.entry TO {quoted}",
        f"GRANT SELECT, UPDATE (turn) ON dpsynth_ledger.store TO {quoted}",
    ):
        connection.exec_driver_sql(right)
