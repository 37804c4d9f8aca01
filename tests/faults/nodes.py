"""One PostgreSQL server of the tests of faults: started, stopped, frozen, killed, and asked how it stands."""

import contextlib
import errno
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from gateway import embedded
from gateway.embedded import Postgres
from tests.databases import ROLES, Cluster, Database

NAME = "koppelpunt"
PASSWORD = "wachtwoord-van-de-proef"
_SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_level": "replica",
    # In its own directory: what a killed server leaves in /dev/shm would stay there.
    "dynamic_shared_memory_type": "mmap",
    "hot_standby": "on",
    # A standby that is gone is noticed in a moment.
    "wal_sender_timeout": "2s",
    "wal_receiver_timeout": "2s",
    "wal_retrieve_retry_interval": "100ms",
    "wal_keep_size": "64MB",
    "max_wal_senders": "10",
    "wal_log_hints": "on",
    "shared_buffers": "16MB",
    "min_wal_size": "32MB",
    "max_wal_size": "64MB",
}


@dataclass(slots=True)
class Node:
    """One server, running or not. Its port and directory stay the same, however often it is started."""

    place: embedded._Place
    port: int
    settings: dict[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.place.directory / "data"

    @property
    def postgres(self) -> Postgres:
        return Postgres("127.0.0.1", self.port, "postgres", PASSWORD)

    @property
    def database(self) -> Database:
        users = {role: f"test_{role}" for role in ROLES}
        return Database(Cluster(self.postgres, NAME, users, PASSWORD), NAME)

    @property
    def pid(self) -> int:
        return self.processes[-1].pid

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        process = embedded._launch(self.place, _SETTINGS | self.settings, self.port)
        self.processes.append(process)
        if not embedded._is_ready(self.place, process):
            raise RuntimeError((self.place.directory / "log").read_text(errors="replace")[-2000:])

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: INT is a fast shutdown, QUIT an immediate one (a crash, as far as its data goes)."""
        self.processes[-1].send_signal(how)
        self.processes[-1].wait(20)

    def kill(self) -> None:
        """Pull the plug: no process of it does anything any more."""
        pids = self._pids()
        for pid in pids:
            _signal(pid, signal.SIGSTOP)
        for pid in pids:
            _signal(pid, signal.SIGKILL)
        self.processes[-1].wait(20)
        # Children are nobody's now; what the kernel has not reaped yet still has the memory and the port.
        until = time.monotonic() + 10
        while any(_lives(pid) for pid in pids[1:]) and time.monotonic() < until:
            time.sleep(0.01)

    def freeze(self) -> None:
        """Hold every process of it, as a machine does whose disk hangs; connections stay."""
        for _ in range(2):
            # Twice: the postmaster may have begun a process while the first round went by.
            for pid in self._pids():
                _signal(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in reversed(self._pids()):
            _signal(pid, signal.SIGCONT)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement as superuser; ones that commit nothing wait for no standby."""
        with psycopg.connect(self.postgres.url(database), autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def set(self, name: str, value: str) -> None:
        """Change a setting of the running server, for good."""
        self.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        self.execute("SELECT pg_reload_conf()")

    def fill(self, directory: str) -> None:
        """Leave no octet free on the disk of this directory."""
        with (self.place.directory / directory / "ballast").open("wb", buffering=0) as file:
            octets = 1 << 20
            while octets:
                try:
                    file.write(bytes(octets))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    octets //= 2

    def make_room(self, directory: str) -> None:
        (self.place.directory / directory / "ballast").unlink()

    def use_up_log(self) -> None:
        """Write until another file of the log is needed; on a full disk that is the end of the server."""
        with contextlib.suppress(psycopg.OperationalError):
            for _ in range(200):
                self.execute("SELECT pg_logical_emit_message(false, 'proef', repeat('x', 1000000))")

    def promote(self) -> None:
        """Make this standby the main server, and wait until it is."""
        assert self.execute("SELECT pg_promote(true, 30)") == [(True,)]

    def wait_for_standby(self, state: str = "sync", seconds: float = 20.0) -> None:
        """Wait until a standby follows in this state (sync, async)."""
        query = f"SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = '{state}'"  # noqa: S608
        until = time.monotonic() + seconds
        while not self.execute(query):
            assert time.monotonic() < until, self.execute("SELECT application_name, state FROM pg_stat_replication")
            time.sleep(0.05)

    def end(self) -> None:
        """Stop it whatever it does, and forget its directory."""
        for process in self.processes:
            if process.poll() is None:
                for pid in self._children(process.pid):
                    _signal(pid, signal.SIGCONT)
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGQUIT)
                process.wait(20)
        # Their watchers remove what is left of the directory.
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.close()

    def _pids(self) -> list[int]:
        """The postmaster first, so that it begins no more while the others are signalled."""
        return [self.pid, *self._children(self.pid)]

    @staticmethod
    def _children(pid: int) -> list[int]:
        path = Path(f"/proc/{pid}/task/{pid}/children")
        return [int(child) for child in path.read_text().split()] if path.exists() else []


def _signal(pid: int, which: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, which)


def _lives(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
