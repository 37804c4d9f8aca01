"""PostgreSQL servers that can be stopped, frozen, filled, copied, followed and promoted. Durable ones: fsync is on.

Owns the directories and processes of its nodes. What embedded.py makes is one server that is never durable; here its
programs and its watcher serve several, which outlive being stopped and never their maker.
"""

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway import embedded
from gateway.demo.ground import free_port
from gateway.embedded import Postgres
from migrations.command import migrate
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


@dataclass(slots=True)
class Rack:
    """Where nodes are made. `programs` are PostgreSQL's, where the user that it runs as can reach them."""

    directory: Path
    place: embedded._Place
    nodes: list[Node] = field(default_factory=list)
    mounts: list[Path] = field(default_factory=list)

    def run(self, program: str, *arguments: str | Path, **more: Any) -> str:
        """Run one of PostgreSQL's programs as the user of the nodes; raises with what it said."""
        done: subprocess.CompletedProcess[str] = subprocess.run(  # type: ignore[call-overload]
            [self.place.programs / program, *arguments], cwd="/", capture_output=True, text=True, check=False, timeout=60,
            env={"PGPASSWORD": PASSWORD, **embedded._ENVIRONMENT}, **self.place.identity(), **more,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr[-2000:]}")
        return done.stdout

    def make_directory(self, name: str) -> Path:
        directory = self.directory / name
        directory.mkdir(mode=0o700)
        self.own(directory)
        return directory

    def own(self, path: Path) -> None:
        if self.place.account is not None:
            os.chown(path, self.place.account.pw_uid, self.place.account.pw_gid)

    def node(self, name: str, **settings: str) -> Node:
        """A place for a node without data yet."""
        place = embedded._Place(self.make_directory(name), self.place.programs, self.place.account)
        node = Node(place, free_port(), settings)
        self.nodes.append(node)
        return node

    def empty(self, name: str, *, epoch: int = 0, **settings: str) -> Node:
        """A running server with nothing in it, whose transactions have numbers of this epoch."""
        node = self.node(name, **settings)
        embedded._make_cluster(node.place, PASSWORD)
        if epoch:
            self.run("pg_resetwal", f"--epoch={epoch}", node.data)
        # Followers and base backups come in as the superuser.
        with (node.data / "pg_hba.conf").open("a") as file:
            file.write("host replication postgres 127.0.0.1/32 scram-sha-256\n")
        node.start()
        return node

    def migrated(
        self, name: str, stock: Path, disks: Mapping[str, int] | None = None, *, epoch: int = 0, **settings: str
    ) -> Node:
        """A running server with the migrated database and a user per role, copied from the stock.

        `disks` gives directories of it (`data`, `wal`) a disk of their own, of so many MB. `epoch` makes it an old one:
        its transactions have had so many times 2³² numbers.
        """
        node = self.node(name, **settings)
        for directory, size in (disks or {}).items():
            self._mount(node.place.directory / directory, size)
        shutil.copytree(stock, node.data, dirs_exist_ok=True, ignore=shutil.ignore_patterns("pg_wal"))
        wal = node.place.directory / "wal"
        shutil.copytree(stock / "pg_wal", wal, dirs_exist_ok=True)
        (node.data / "pg_wal").symlink_to(wal)
        for path in (node.data, *node.data.rglob("*"), wal, *wal.rglob("*")):
            self.own(path)
        node.data.chmod(0o700)
        if epoch:
            self.run("pg_resetwal", f"--epoch={epoch}", node.data)
        node.start()
        return node

    def _mount(self, directory: Path, megabytes: int) -> None:
        """Give a directory a disk of its own, in memory. Skips the test where that is not allowed."""
        directory.mkdir(mode=0o700)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", directory],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            pytest.skip(f"A small disk cannot be mounted here, so none can be filled: {done.stderr.strip()}")
        self.mounts.append(directory)

    def follower(self, name: str, main: Node, **settings: str) -> Node:
        """A running standby of another node; `name` is what the main server knows it by."""
        node = self.node(name, **settings)
        self.rebuild(node, main)
        return node

    def rebuild(self, node: Node, main: Node) -> None:
        """Make a node, whatever it was, a running standby of another."""
        shutil.rmtree(node.data, ignore_errors=True)
        source = conninfo_of(main, node.place.directory.name)
        self.run("pg_basebackup", "-d", source, "-D", node.data, "--checkpoint=fast", "--write-recovery-conf")
        node.start()

    def restore(self, node: Node, backup: Path, archive: Path | None = None) -> None:
        """Start a node from a base backup; with an archive of the log, up to the last commit in it."""
        shutil.copytree(backup, node.data)
        if archive is not None:
            (node.data / "recovery.signal").touch()
            with (node.data / "postgresql.auto.conf").open("a") as file:
                file.write(f"restore_command = 'cp {archive}/%f %p'\nrecovery_target_action = promote\n")
        for path in (node.data, *node.data.rglob("*")):
            self.own(path)
        node.data.chmod(0o700)
        node.start()


def conninfo_of(main: Node, name: str) -> str:
    """How a follower, or a base backup, reaches a node."""
    return f"host=127.0.0.1 port={main.port} user=postgres password={PASSWORD} application_name={name}"


def _signal(pid: int, which: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, which)


def _lives(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextlib.contextmanager
def rack(parent: str | None) -> Iterator[Rack]:
    """A rack without nodes, gone with all of them afterwards."""
    account = embedded._unprivileged_account() if os.geteuid() == 0 else None
    directory = embedded._private_directory(account, parent)
    made = Rack(directory, embedded._Place(directory, Path(), account))
    try:
        programs = embedded._programs(directory, account, copy_programs=False)
        made.place = embedded._Place(directory, programs, account)
        yield made
    finally:
        for node in made.nodes:
            node.end()
        for mount in made.mounts:
            # Lazily: what the kernel has not let go of yet must not keep the disk for ever.
            subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
        shutil.rmtree(directory, ignore_errors=True)


def fill_stock(rack: Rack) -> Path:
    """The data of a stopped server with the migrated database and a user per role: what every test's node begins as."""
    node = rack.empty("stock", fsync="off")
    node.execute(f"CREATE DATABASE {NAME}")
    migrate(node.postgres.url(NAME))
    for role in ROLES:
        node.execute(f"CREATE ROLE test_{role} LOGIN PASSWORD '{PASSWORD}' IN ROLE koppelpunt_{role}")
    node.stop()
    return node.data


def url_of(role: str, *nodes: Node) -> str:
    """One URL that names several nodes, in this order."""
    hosts = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
    return f"postgresql://test_{role}:{PASSWORD}@{hosts}/{NAME}"
