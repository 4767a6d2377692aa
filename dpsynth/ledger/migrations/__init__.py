"""Steps from one version of the store to the next, as Alembic revisions: `versions/` holds one file a step.

A step changes tables, triggers and rights. It never writes to an entry: digests cover the text of an entry and nothing
else, so no step could make an entry mean something new, and a test runs every step over a filled store. What an entry
says has a version of its own, in its text. The version of the store is one number that the store keeps itself (in the
header of an SQLite file, in the row that PostgreSQL's writers lock), because a file of version 1 must stay as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

STORE_VERSION = 1
"""The newest step; what this version of the package reads and writes."""

STEPS = Path(__file__).parent


def upgrade(connection: Connection, version: int, steps: Path = STEPS) -> None:
    """Take the store behind `connection` from `version` (0: nothing there) to the newest one.

    Runs inside the caller's transaction, and leaves writing the number down to the caller.
    """
    # Alembic is loaded where there is something to change, not with every ledger.
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    newest_first = ScriptDirectory(str(steps)).walk_revisions()
    with Operations.context(MigrationContext.configure(connection)):
        for step in reversed(list(newest_first)):
            if int(step.revision) > version:
                step.module.upgrade()
