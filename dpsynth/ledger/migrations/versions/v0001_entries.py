"""Version 1: the table of entries, and the triggers that make it append-only."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# INSERT OR REPLACE removes a row without asking the trigger on DELETE, so the trigger on INSERT lets nothing but the
# next link in.
SQLITE = (
    """CREATE TABLE entry (
  entry_index INTEGER PRIMARY KEY CHECK (entry_index >= 1),
  previous_digest TEXT NOT NULL UNIQUE CHECK (length(previous_digest) = 64),
  digest TEXT NOT NULL UNIQUE CHECK (length(digest) = 64),
  content TEXT NOT NULL
) STRICT""",
    "CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry\n"
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER entry_is_never_removed BEFORE DELETE ON entry\n"
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER entry_follows_the_last BEFORE INSERT ON entry\n"
    "WHEN NEW.entry_index IS NOT (SELECT coalesce(max(entry_index), 0) + 1 FROM entry)\n"
    "  OR NEW.previous_digest IS NOT coalesce(\n"
    "    (SELECT digest FROM entry ORDER BY entry_index DESC LIMIT 1), printf('%064d', 0))\n"
    "  OR EXISTS (SELECT 1 FROM entry WHERE digest = NEW.digest)\n"
    "BEGIN SELECT RAISE(ABORT, 'an entry must follow the last one'); END",
)

# One row to lock, because there is one chain: its order is the order of the locks. Locking a row needs the right to
# change one of its columns, so it has a column that says nothing.
POSTGRESQL = (
    "CREATE SCHEMA dpsynth_ledger",
    """CREATE TABLE dpsynth_ledger.entry (
  entry_index bigint PRIMARY KEY CHECK (entry_index >= 1),
  previous_digest text NOT NULL UNIQUE CHECK (length(previous_digest) = 64),
  digest text NOT NULL UNIQUE CHECK (length(digest) = 64),
  content text NOT NULL
)""",
    """CREATE TABLE dpsynth_ledger.store (
  id integer PRIMARY KEY CHECK (id = 1),
  version integer NOT NULL,
  turn integer NOT NULL DEFAULT 0
)""",
    "INSERT INTO dpsynth_ledger.store (id, version) VALUES (1, 0)",
    """CREATE FUNCTION dpsynth_ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$""",
    """CREATE FUNCTION dpsynth_ledger.require_next_link() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  last_index bigint := 0;
  last_digest text := repeat('0', 64);
BEGIN
  SELECT entry_index, digest INTO last_index, last_digest
    FROM dpsynth_ledger.entry ORDER BY entry_index DESC LIMIT 1;
  IF NEW.entry_index <> coalesce(last_index, 0) + 1
      OR NEW.previous_digest <> coalesce(last_digest, repeat('0', 64)) THEN
    RAISE EXCEPTION 'an entry must follow the last one' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$""",
    """CREATE TRIGGER entry_is_never_changed BEFORE UPDATE OR DELETE ON dpsynth_ledger.entry
FOR EACH ROW EXECUTE FUNCTION dpsynth_ledger.refuse_change()""",
    """CREATE TRIGGER entry_is_never_removed BEFORE TRUNCATE ON dpsynth_ledger.entry
FOR EACH STATEMENT EXECUTE FUNCTION dpsynth_ledger.refuse_change()""",
    """CREATE TRIGGER entry_follows_the_last BEFORE INSERT ON dpsynth_ledger.entry
FOR EACH ROW EXECUTE FUNCTION dpsynth_ledger.require_next_link()""",
    "ALTER TABLE dpsynth_ledger.entry ENABLE ALWAYS TRIGGER entry_is_never_changed",
    "ALTER TABLE dpsynth_ledger.entry ENABLE ALWAYS TRIGGER entry_is_never_removed",
    "ALTER TABLE dpsynth_ledger.entry ENABLE ALWAYS TRIGGER entry_follows_the_last",
)


def upgrade() -> None:
    """Make everything from nothing."""
    connection = op.get_bind()
    for statement in SQLITE if connection.dialect.name == "sqlite" else POSTGRESQL:
        connection.exec_driver_sql(statement)
