"""A PostgreSQL server of the tests' own: Debian's programs, a temporary folder, a socket in it, no network.

Runs as an ordinary user, because the server refuses to run as root. It trusts everybody who may enter the folder, and
keeps `fsync` on, because the ledger refuses a server that does not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from dpsynth.ledger.store import make_store

NOBODY = 65534
OWNER, WRITER = "keeper", "appender"


def programs() -> Path | None:
    """Return the folder of the newest server that is installed here."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    anywhere = shutil.which("initdb")
    return Path(anywhere).resolve().parent if anywhere else None


class PostgresServer:
    """A running server."""

    def __init__(self, bin_folder: Path, **options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg"))
        self.bin_folder = bin_folder
        self.number = 0
        self.empty_ledger = ""
        data = self.folder / "data"
        data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            for place in (self.folder, data):
                os.chown(place, NOBODY, NOBODY)
        self.folder.chmod(0o755)
        self._run("initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync")
        settings = {"listen_addresses": "", "unix_socket_directories": str(self.folder), "max_connections": "60"}
        settings |= options
        arguments = [str(bin_folder / "postgres"), "-D", str(data)]
        arguments += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(arguments, stdout=log, stderr=log, env=_ENVIRONMENT, **self._user())
        deadline = time.monotonic() + 60
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:])
            time.sleep(0.05)
        self.sql(f"CREATE ROLE {OWNER} LOGIN; CREATE ROLE {WRITER} LOGIN", one_transaction=True)

    def answers(self) -> bool:
        ready = [str(self.bin_folder / "pg_isready"), "-q", "-h", str(self.folder)]
        return subprocess.run(ready, check=False, env=_ENVIRONMENT).returncode == 0

    def url(self, database: str, role: str = WRITER, **options: str) -> str:
        more = "".join(f"&{name}={value}" for name, value in options.items())
        return f"postgresql://{role}@/{database}?host={self.folder}{more}"

    def new_database(self, template: str = "template0") -> str:
        """Return the name of a new database that `OWNER` owns: empty, or a copy of another one."""
        self.number += 1
        name = f"ledger{self.number}"
        self.sql(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template}")
        return name

    def new_ledger(self) -> str:
        """Return the name of a database with an empty ledger, which `WRITER` may append to."""
        if not self.empty_ledger:
            self.empty_ledger = self.new_database()
            make_store(self.url(self.empty_ledger, OWNER), writer=WRITER)
        return self.new_database(self.empty_ledger)

    def sql(
        self, statement: str, *, database: str = "postgres", role: str = "postgres", one_transaction: bool = False
    ) -> list[tuple[object, ...]]:
        """Run SQL behind the ledger's back, as the superuser unless another role is named."""
        import psycopg

        with psycopg.connect(
            host=str(self.folder), dbname=database, user=role, autocommit=not one_transaction
        ) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def stop(self, *, at_once: bool = False) -> None:
        subprocess.run(
            [
                str(self.bin_folder / "pg_ctl"),
                "stop",
                "-D",
                str(self.folder / "data"),
                "-w",
                "-m",
                "immediate" if at_once else "fast",
            ],
            check=False,
            capture_output=True,
            env=_ENVIRONMENT,
            **self._user(),
        )
        self.process.wait(timeout=60)

    def remove(self) -> None:
        self.stop(at_once=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        made = subprocess.run(
            [str(self.bin_folder / program), *arguments],
            check=False,
            capture_output=True,
            text=True,
            env=_ENVIRONMENT,
            **self._user(),
        )
        if made.returncode:
            raise RuntimeError(f"{program}: {made.stderr[-2000:]}")

    def _user(self) -> dict[str, object]:
        as_nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        return {"cwd": self.folder, **as_nobody}


_ENVIRONMENT = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
